//! What the in-memory structures share: a lock for each part of the keys, and a count with a cap.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hash},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

const SHARDS: usize = 64;

/// Values in shards, each behind its own lock. Which one a key belongs to depends on a secret of this instance, so that
/// nobody can choose keys that crowd one shard.
pub(crate) struct Sharded<T> {
    shards: Box<[Mutex<T>; SHARDS]>,
    hasher: RandomState,
}

impl<T: Default> Default for Sharded<T> {
    fn default() -> Self {
        Self { shards: Box::new(std::array::from_fn(|_| Mutex::default())), hasher: RandomState::new() }
    }
}

impl<T> Sharded<T> {
    /// The shard of a key, locked.
    pub(crate) fn of(&self, key: impl Hash) -> MutexGuard<'_, T> {
        let index = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or_default();
        let [first, ..] = &*self.shards;
        lock(self.shards.get(index).unwrap_or(first))
    }

    /// Every shard in turn, one locked at a time.
    pub(crate) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, T>> {
        self.shards.iter().map(lock)
    }
}

/// A panic in a critical section of ours would leave nothing half-done that matters: entries are single insertions.
fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many there are of something, never more than a cap.
pub(crate) struct Capped {
    count: AtomicUsize,
    max: usize,
}

impl Capped {
    pub(crate) const fn new(max: usize) -> Self {
        Self { count: AtomicUsize::new(0), max }
    }

    /// Counts one more, unless the cap is reached.
    #[must_use]
    pub(crate) fn reserve(&self) -> bool {
        let below_cap = |count| (count < self.max).then_some(count + 1);
        self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below_cap).is_ok()
    }

    /// Counts some fewer.
    pub(crate) fn release(&self, removed: usize) {
        self.count.fetch_sub(removed, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_spread_over_all_shards_and_find_their_own_again() {
        let sharded = Sharded::<Vec<u32>>::default();
        for key in 0..10_000 {
            sharded.of(key).push(key);
        }
        assert!((0..10_000).all(|key| sharded.of(key).contains(&key)));
        let filled: Vec<usize> = sharded.each().map(|shard| shard.len()).collect();
        assert_eq!((filled.len(), filled.iter().sum::<usize>()), (SHARDS, 10_000));
        assert!(filled.iter().all(|&keys| keys > 50), "{filled:?}");
    }

    #[test]
    fn a_count_never_passes_its_cap() {
        let count = Capped::new(2);
        assert!(count.reserve() && count.reserve() && !count.reserve());
        assert_eq!(count.get(), 2);
        count.release(1);
        assert!(count.reserve() && !count.reserve());
    }
}

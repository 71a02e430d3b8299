//! The replay cache: which nonces were used, for as long as a request that carries them could still be accepted.
//!
//! Nonces stand in ten-second buckets by the time until which they are remembered, so that forgetting is dropping
//! whole buckets, and memory is bounded by the request rate. Only a request whose HMAC verified gets here.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::crypto::aead::Nonce;
use crate::sharded::{Capped, Sharded};
use crate::wire::headers::SessionId;

const BUCKET_MS: u64 = 10_000;

/// What a claim of a nonce came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Nobody had used it; now it is taken.
    Fresh,
    /// It was used before, or cannot be told from one that was.
    Replay,
    /// The cache is at its cap. It refuses instead of forgetting a live nonce.
    Full,
}

/// The claim of one nonce, the input of one atomic "insert if absent".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NonceClaim {
    /// The session under which the nonce counts.
    pub session: SessionId,
    /// The nonce of the request.
    pub nonce: Nonce,
    /// Until when it must be remembered, in Unix milliseconds, inclusive.
    pub until_ms: u64,
}

/// A bounded, sharded cache of used nonces.
pub(crate) struct ReplayCache {
    shards: Sharded<Shard>,
    count: Capped,
    max_per_session: usize,
}

#[derive(Default)]
struct Shard {
    seen: HashSet<(SessionId, Nonce)>,
    /// The same by the number of the ten seconds in which a nonce may be forgotten.
    buckets: BTreeMap<u64, Vec<(SessionId, Nonce)>>,
    per_session: HashMap<SessionId, usize>,
    /// The latest time seen: a clock that steps back does not reopen a bucket.
    high_water_ms: u64,
}

impl ReplayCache {
    /// `max` nonces in all and `max_per_session` of one session.
    pub(crate) fn new(max: usize, max_per_session: usize) -> Self {
        Self { shards: Sharded::default(), count: Capped::new(max), max_per_session }
    }

    /// Claims a nonce in one step: of any number of claims of the same nonce, exactly one is [`Claim::Fresh`].
    pub(crate) fn claim(&self, claim: &NonceClaim, now_ms: u64) -> Claim {
        let mut shard = self.shards.of(claim.session);
        self.count.release(shard.forget(now_ms));

        let key = (claim.session, claim.nonce);
        let bucket = claim.until_ms / BUCKET_MS;
        let past = bucket < shard.high_water_ms / BUCKET_MS;
        if past || shard.seen.contains(&key) {
            return Claim::Replay;
        }
        if shard.per_session.get(&claim.session).is_some_and(|&used| used >= self.max_per_session)
            || !self.count.reserve()
        {
            return Claim::Full;
        }
        shard.seen.insert(key);
        shard.buckets.entry(bucket).or_default().push(key);
        *shard.per_session.entry(claim.session).or_default() += 1;
        Claim::Fresh
    }

    /// Forgets what is past in every shard, also in those that no request reaches.
    pub(crate) fn sweep(&self, now_ms: u64) {
        for mut shard in self.shards.each() {
            self.count.release(shard.forget(now_ms));
        }
    }

    /// How many nonces are remembered.
    pub(crate) fn len(&self) -> usize {
        self.count.get()
    }
}

impl Shard {
    /// Drops the buckets that are past and returns how many nonces they held.
    fn forget(&mut self, now_ms: u64) -> usize {
        self.high_water_ms = self.high_water_ms.max(now_ms);
        let current = self.high_water_ms / BUCKET_MS;
        let mut forgotten = 0;
        while let Some(oldest) = self.buckets.first_entry().filter(|bucket| *bucket.key() < current) {
            for key @ (session, _) in oldest.remove() {
                self.seen.remove(&key);
                forgotten += 1;
                if let Some(used) = self.per_session.get_mut(&session) {
                    *used -= 1;
                    if *used == 0 {
                        self.per_session.remove(&session);
                    }
                }
            }
        }
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn claim(session: u8, nonce: u64, until_ms: u64) -> NonceClaim {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&nonce.to_le_bytes());
        NonceClaim {
            session: SessionId::from_random([session; 16]),
            nonce: Nonce::from_bytes(bytes),
            until_ms,
        }
    }

    #[test]
    fn a_nonce_is_fresh_once_per_session_whatever_its_bucket() {
        let cache = ReplayCache::new(100, 100);
        assert_eq!(cache.claim(&claim(1, 1, 30_000), 0), Claim::Fresh);
        assert_eq!(cache.claim(&claim(1, 1, 30_000), 0), Claim::Replay);
        assert_eq!(cache.claim(&claim(1, 1, 55_000), 0), Claim::Replay);
        assert_eq!(cache.claim(&claim(2, 1, 30_000), 0), Claim::Fresh);
        assert_eq!(cache.claim(&claim(1, 2, 30_000), 0), Claim::Fresh);
    }

    #[test]
    fn it_is_remembered_through_its_last_millisecond_and_forgotten_after() {
        let cache = ReplayCache::new(100, 100);
        assert_eq!(cache.claim(&claim(1, 1, 30_000), 0), Claim::Fresh);
        assert_eq!(cache.claim(&claim(1, 1, 30_000), 30_000), Claim::Replay);
        cache.sweep(39_999);
        assert_eq!(cache.len(), 1);
        cache.sweep(40_000);
        assert_eq!(cache.len(), 0);
    }

    #[test]
    fn a_clock_that_steps_back_reopens_nothing() {
        let cache = ReplayCache::new(100, 100);
        assert_eq!(cache.claim(&claim(1, 1, 30_000), 0), Claim::Fresh);
        cache.sweep(60_000);
        assert_eq!(cache.claim(&claim(1, 1, 30_000), 0), Claim::Replay);
        assert_eq!(cache.claim(&claim(1, 2, 90_000), 0), Claim::Fresh);
    }

    #[test]
    fn at_the_cap_it_refuses_and_remembers() {
        let cache = ReplayCache::new(3, 2);
        assert_eq!(cache.claim(&claim(1, 1, 30_000), 0), Claim::Fresh);
        assert_eq!(cache.claim(&claim(1, 2, 30_000), 0), Claim::Fresh);
        assert_eq!(cache.claim(&claim(1, 3, 30_000), 0), Claim::Full);
        assert_eq!(cache.claim(&claim(2, 1, 30_000), 0), Claim::Fresh);
        assert_eq!(cache.claim(&claim(3, 1, 30_000), 0), Claim::Full);
        assert_eq!(cache.claim(&claim(1, 1, 30_000), 0), Claim::Replay);
        cache.sweep(40_000);
        assert_eq!(cache.claim(&claim(1, 3, 70_000), 40_000), Claim::Fresh);
    }

    #[test]
    fn memory_is_flat_at_a_steady_rate() {
        let cache = ReplayCache::new(usize::MAX, usize::MAX);
        let mut most = 0;
        for tick in 0..20_000 {
            let now = tick * 100;
            assert_eq!(cache.claim(&claim(1, tick, now + 30_000), now), Claim::Fresh);
            most = most.max(cache.len());
        }
        assert!(most <= 401, "{most} nonces for 30 s at 10 a second");
    }

    #[test]
    fn nothing_is_left_of_a_session_whose_nonces_are_forgotten() {
        let cache = ReplayCache::new(100, 2);
        for session in 1..=10 {
            assert_eq!(cache.claim(&claim(session, 1, 30_000), 0), Claim::Fresh);
            assert_eq!(cache.claim(&claim(session, 2, 50_000), 0), Claim::Fresh);
        }
        let left = || {
            cache
                .shards
                .each()
                .map(|shard| (shard.per_session.len(), shard.buckets.len()))
                .fold((0, 0), |a, b| (a.0 + b.0, a.1.max(b.1)))
        };
        cache.sweep(40_000);
        assert_eq!((left(), cache.len()), ((10, 1), 10));
        assert_eq!(cache.claim(&claim(1, 3, 70_000), 40_000), Claim::Fresh);
        assert_eq!(cache.claim(&claim(1, 4, 70_000), 40_000), Claim::Full);
        cache.sweep(80_000);
        assert_eq!((left(), cache.len()), ((0, 0), 0));
    }

    #[test]
    fn of_racing_claims_exactly_one_is_fresh() {
        let cache = ReplayCache::new(100_000, 100_000);
        let fresh = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for nonce in 0..5_000 {
                        if cache.claim(&claim(1, nonce, 30_000), 0) == Claim::Fresh {
                            fresh.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!((fresh.into_inner(), cache.len()), (5_000, 5_000));
    }
}

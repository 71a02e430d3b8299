//! Where a server keeps its sessions: the contract, and the store in this process's memory.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::error::{Code, Error, Result};
use crate::replay::{Claim, NonceClaim, ReplayCache};
use crate::session::Session;
use crate::sharded::{Capped, Sharded};
use crate::wire::{base64, headers::SessionId};

/// What a server needs of a session store. What each wrong answer costs:
///
/// - `get` that returns a session after its end, or after `delete`: a terminated client is still let in.
/// - `get` that returns `None` for a live session: its client shakes hands again, needlessly; if the store is merely
///   out of reach, every client does so at once. Return ISO-9001 instead.
/// - `claim_nonce` that says [`Claim::Fresh`] twice for one nonce: a recorded request is accepted a second time.
/// - `claim_nonce` done as a look-up and then a write: the same, for two requests that race.
///
/// Every method may be called from several threads at once.
pub trait Store: Send + Sync {
    /// The live session with this id. Errors: ISO-9001.
    fn get(&self, id: SessionId, now_ms: u64) -> Result<Option<Arc<Session>>>;

    /// Keeps a session until its [`Session::expires_ms`]. Errors: ISO-9001.
    fn set(&self, session: Arc<Session>, now_ms: u64) -> Result<()>;

    /// Removes a session; one that is not there is no error. Errors: ISO-9001.
    fn delete(&self, id: SessionId) -> Result<()>;

    /// Keeps `new` in place of the session `old`, for a rotation. On failure the old one stays. A store that can do it
    /// in one step should: then a store that is full still lets its clients rotate. Errors: ISO-9001.
    fn replace(&self, old: SessionId, new: Arc<Session>, now_ms: u64) -> Result<()> {
        self.set(new, now_ms)?;
        self.delete(old)
    }

    /// Whether there is a live session with this id. Errors: ISO-9001.
    fn exists(&self, id: SessionId, now_ms: u64) -> Result<bool> {
        Ok(self.get(id, now_ms)?.is_some())
    }

    /// Takes a nonce if nobody had, in one atomic step. Errors: ISO-9001.
    fn claim_nonce(&self, claim: &NonceClaim, now_ms: u64) -> Result<Claim>;
}

/// How much longer than to the end that a claim names a store that several servers share must remember a nonce, in
/// milliseconds: a server whose clock is behind the one that claimed it takes its request for that much longer.
pub const REMOTE_CLOCK_SLACK_MS: u64 = 30_000;

impl SessionId {
    /// The key under which stores that are shared keep the session's record, in whichever language: `nen:session:<id>`.
    pub fn record_key(self) -> String {
        format!("nen:session:{self}")
    }
}

impl NonceClaim {
    /// The key under which stores that are shared remember the nonce: `nen:session:<id>:n:<base64 of the nonce>`.
    pub fn key(&self) -> String {
        format!("{}:n:{}", self.session.record_key(), base64::encode(self.nonce.as_bytes()))
    }
}

/// The caps of a [`MemoryStore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryLimits {
    /// Most live sessions; a handshake beyond it is refused with ISO-9001.
    pub max_sessions: usize,
    /// Most remembered nonces of all sessions; a request beyond it is refused with ISO-5002.
    pub max_nonces: usize,
    /// Most remembered nonces of one session, so that one client cannot use up all of them.
    pub max_nonces_per_session: usize,
}

impl Default for MemoryLimits {
    /// A million sessions; four million nonces, a hundred thousand of one session, which is 1,600 requests a second.
    fn default() -> Self {
        Self { max_sessions: 1_000_000, max_nonces: 4_000_000, max_nonces_per_session: 100_000 }
    }
}

/// How often, at most, all shards are swept, in milliseconds.
const SWEEP_EVERY_MS: u64 = 10_000;

/// Sessions and nonces in this process's memory: for development and for a server of one process.
pub struct MemoryStore {
    shards: Sharded<Shard>,
    count: Capped,
    replay: ReplayCache,
    next_sweep_ms: AtomicU64,
}

#[derive(Default)]
struct Shard {
    sessions: HashMap<SessionId, Arc<Session>>,
    by_expiry: BTreeSet<(u64, SessionId)>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(MemoryLimits::default())
    }
}

impl MemoryStore {
    /// An empty store with these caps.
    pub fn new(limits: MemoryLimits) -> Self {
        Self {
            shards: Sharded::default(),
            count: Capped::new(limits.max_sessions),
            replay: ReplayCache::new(limits.max_nonces, limits.max_nonces_per_session),
            next_sweep_ms: AtomicU64::new(0),
        }
    }

    /// How many sessions are kept, among them those that have ended and were not swept yet.
    pub fn len(&self) -> usize {
        self.count.get()
    }

    /// Whether no session is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many nonces are remembered.
    pub fn nonces(&self) -> usize {
        self.replay.len()
    }

    /// Removes every session that has ended and every nonce that can be forgotten. The store does so by itself as it is
    /// used; a server that falls silent may call it from a timer.
    pub fn sweep(&self, now_ms: u64) {
        for mut shard in self.shards.each() {
            self.count.release(shard.remove_expired(now_ms));
        }
        self.replay.sweep(now_ms);
    }

    fn sweep_if_due(&self, now_ms: u64) {
        let due = self.next_sweep_ms.load(Ordering::Relaxed);
        let next = now_ms.saturating_add(SWEEP_EVERY_MS);
        // The one thread that moves the date sweeps; a clock that stepped far back moves it too.
        if (now_ms >= due || next < due)
            && self.next_sweep_ms.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            self.sweep(now_ms);
        }
    }
}

impl Store for MemoryStore {
    fn get(&self, id: SessionId, now_ms: u64) -> Result<Option<Arc<Session>>> {
        let shard = self.shards.of(id);
        Ok(shard.sessions.get(&id).filter(|session| !session.is_expired(now_ms)).cloned())
    }

    fn set(&self, session: Arc<Session>, now_ms: u64) -> Result<()> {
        self.sweep_if_due(now_ms);
        let mut shard = self.shards.of(session.id());
        if !shard.remove(session.id()) && !self.count.reserve() {
            return Err(Error::new(Code::StoreUnavailable, "the session store is full"));
        }
        shard.insert(session);
        Ok(())
    }

    fn replace(&self, old: SessionId, new: Arc<Session>, now_ms: u64) -> Result<()> {
        // The old session's place in the count becomes the new one's. It is gone from here on, and nothing can fail.
        if self.shards.of(old).remove(old) {
            self.shards.of(new.id()).insert(new);
            return Ok(());
        }
        self.set(new, now_ms)
    }

    fn delete(&self, id: SessionId) -> Result<()> {
        let removed = self.shards.of(id).remove(id);
        self.count.release(usize::from(removed));
        Ok(())
    }

    fn claim_nonce(&self, claim: &NonceClaim, now_ms: u64) -> Result<Claim> {
        self.sweep_if_due(now_ms);
        Ok(self.replay.claim(claim, now_ms))
    }
}

impl Shard {
    /// Adds a session that is not there.
    fn insert(&mut self, session: Arc<Session>) {
        self.by_expiry.insert((session.expires_ms(), session.id()));
        self.sessions.insert(session.id(), session);
    }

    fn remove(&mut self, id: SessionId) -> bool {
        let Some(session) = self.sessions.remove(&id) else { return false };
        self.by_expiry.remove(&(session.expires_ms(), id));
        true
    }

    fn remove_expired(&mut self, now_ms: u64) -> usize {
        let mut removed = 0;
        while let Some(&(expires_ms, id)) = self.by_expiry.first() {
            if expires_ms > now_ms {
                break;
            }
            removed += usize::from(self.remove(id));
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Secret, aead::Nonce};

    fn session(number: u64, expires_ms: u64) -> Arc<Session> {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_le_bytes());
        let (a, b) = (Secret::zeroed(), Secret::zeroed());
        Arc::new(Session::new(SessionId::from_random(id), a, b, (0, expires_ms), None))
    }

    #[test]
    fn a_session_is_there_until_its_end_or_its_deletion() {
        let store = MemoryStore::default();
        let (a, b) = (session(1, 1000), session(2, 1000));
        store.set(Arc::clone(&a), 0).unwrap();
        store.set(Arc::clone(&b), 0).unwrap();
        assert!(store.exists(a.id(), 999).unwrap());
        assert!(!store.exists(a.id(), 1000).unwrap());
        store.delete(a.id()).unwrap();
        store.delete(a.id()).unwrap();
        assert!(!store.exists(a.id(), 0).unwrap() && store.exists(b.id(), 0).unwrap());
        assert_eq!(store.len(), 1);
    }

    #[test]
    fn shared_stores_use_the_same_keys() {
        let id = SessionId::parse(crate::session::test::ID.as_bytes()).unwrap();
        let claim = NonceClaim { session: id, nonce: Nonce::from_bytes([0xff; 12]), until_ms: 0 };
        assert_eq!(id.record_key(), "nen:session:3f2b8c1e-4d5a-4b6c-8d7e-9f0a1b2c3d4e");
        assert_eq!(claim.key(), "nen:session:3f2b8c1e-4d5a-4b6c-8d7e-9f0a1b2c3d4e:n:////////////////");
    }

    #[test]
    fn ended_sessions_and_nonces_are_swept_as_the_store_is_used() {
        let store = MemoryStore::default();
        for number in 0..1000 {
            store.set(session(number, 5_000), 0).unwrap();
        }
        let claim = |until_ms| NonceClaim {
            session: SessionId::from_random([1; 16]),
            nonce: Nonce::random().unwrap(),
            until_ms,
        };
        assert_eq!(store.claim_nonce(&claim(30_000), 0), Ok(Claim::Fresh));
        assert_eq!((store.len(), store.nonces()), (1000, 1));
        store.set(session(5_000, 100_000), 40_000).unwrap();
        assert_eq!((store.len(), store.nonces()), (1, 0));
        assert!(store.shards.each().all(|shard| shard.by_expiry.len() <= 1));
    }

    #[test]
    fn it_is_swept_every_ten_seconds_also_by_a_clock_that_stepped_back() {
        let store = MemoryStore::default();
        let kept_after = |now_ms, number| {
            store.set(session(number, now_ms + 5_000), now_ms).unwrap();
            store.len()
        };
        assert_eq!(kept_after(100_000, 1), 1);
        assert_eq!(kept_after(109_999, 2), 2, "not due");
        assert_eq!(kept_after(110_000, 3), 2, "the first has ended");
        assert_eq!(kept_after(10_000, 4), 3, "the clock stepped back, and nothing has ended");
        assert_eq!(kept_after(15_000, 5), 4, "not due");
        assert_eq!(kept_after(20_000, 6), 3, "the fourth and fifth have ended");
    }

    #[test]
    fn a_session_is_swept_in_the_millisecond_of_its_end() {
        let store = MemoryStore::default();
        store.set(session(1, 5_000), 0).unwrap();
        store.sweep(4_999);
        assert_eq!((store.len(), store.is_empty()), (1, false));
        store.sweep(5_000);
        assert_eq!((store.len(), store.is_empty()), (0, true));
    }

    #[test]
    fn a_full_store_refuses_new_sessions_and_keeps_the_old() {
        let store = MemoryStore::new(MemoryLimits { max_sessions: 2, ..MemoryLimits::default() });
        let (a, b) = (session(1, 1000), session(2, 1000));
        store.set(Arc::clone(&a), 0).unwrap();
        store.set(Arc::clone(&b), 0).unwrap();
        store.set(Arc::clone(&b), 0).unwrap();
        assert_eq!(store.set(session(3, 1000), 0).unwrap_err().code(), Code::StoreUnavailable);
        assert!(store.exists(a.id(), 0).unwrap() && store.exists(b.id(), 0).unwrap());
        store.set(session(3, 30_000), 20_000).unwrap();
    }

    #[test]
    fn a_store_of_the_callers_own_replaces_by_setting_and_deleting() {
        struct Plain(MemoryStore);

        impl Store for Plain {
            fn get(&self, id: SessionId, now_ms: u64) -> Result<Option<Arc<Session>>> {
                self.0.get(id, now_ms)
            }
            fn set(&self, session: Arc<Session>, now_ms: u64) -> Result<()> {
                self.0.set(session, now_ms)
            }
            fn delete(&self, id: SessionId) -> Result<()> {
                self.0.delete(id)
            }
            fn claim_nonce(&self, claim: &NonceClaim, now_ms: u64) -> Result<Claim> {
                self.0.claim_nonce(claim, now_ms)
            }
        }

        let store = Plain(MemoryStore::new(MemoryLimits { max_sessions: 2, ..MemoryLimits::default() }));
        let (old, new) = (session(1, 1000), session(2, 1000));
        store.set(Arc::clone(&old), 0).unwrap();
        store.replace(old.id(), Arc::clone(&new), 0).unwrap();
        assert_eq!((store.exists(old.id(), 0), store.exists(new.id(), 0)), (Ok(false), Ok(true)));
        store.set(session(3, 1000), 0).unwrap();
        assert!(store.replace(new.id(), session(4, 1000), 0).is_err());
        assert_eq!(store.exists(new.id(), 0), Ok(true), "a rotation that fails leaves the old session");
    }

    #[test]
    fn a_full_store_lets_its_sessions_be_replaced() {
        let store = MemoryStore::new(MemoryLimits { max_sessions: 1, ..MemoryLimits::default() });
        let (old, new) = (session(1, 1000), session(2, 1000));
        store.set(Arc::clone(&old), 0).unwrap();
        store.replace(old.id(), Arc::clone(&new), 0).unwrap();
        assert!(!store.exists(old.id(), 0).unwrap() && store.exists(new.id(), 0).unwrap());
        assert_eq!(store.len(), 1);
        assert!(
            store.replace(old.id(), session(3, 1000), 0).is_err(),
            "the old one is not there to give its place"
        );
        assert_eq!((store.len(), store.exists(new.id(), 0)), (1, Ok(true)));
    }
}

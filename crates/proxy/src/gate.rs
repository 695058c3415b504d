//! A door that counts who is inside and can be shut for good.
//!
//! This is what makes a swap safe. A request that has read an old list of endpoints may still be about to choose one that was
//! just taken out, and the instance behind it stops as soon as nobody is seen inside. So choosing is *entering*: one atomic
//! addition that both counts the request and tells it whether the door was shut before. All operations are read-modify-write
//! operations on one word, which has a single order that every thread agrees on. Of a shutting and an entering, either the
//! entering comes first (then whoever shut the door sees the count and waits) or the shutting does (then the request is turned
//! away, having sent nothing, and chooses again from the new list). There is no third case, and no memory fence to get wrong.

use std::sync::atomic::{AtomicU64, Ordering};

const SHUT: u64 = 1 << 63;

#[derive(Debug, Default)]
pub(crate) struct Gate(AtomicU64);

impl Gate {
    /// Counts the caller in, unless the gate is shut. Who is let in must [`leave`](Self::leave).
    #[must_use]
    pub(crate) fn enter(&self) -> Entry {
        if self.0.fetch_add(1, Ordering::AcqRel) & SHUT == 0 {
            Entry::Admitted
        } else {
            // Until this line an observer may see one too many inside, never one too few.
            Entry::Refused {
                emptied: self.leave(),
            }
        }
    }

    /// True if the caller was the last inside a shut gate.
    #[must_use]
    pub(crate) fn leave(&self) -> bool {
        self.0.fetch_sub(1, Ordering::AcqRel) == SHUT + 1
    }

    /// Lets nobody in from now on.
    pub(crate) fn shut(&self) {
        self.0.fetch_or(SHUT, Ordering::AcqRel);
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.0.load(Ordering::Acquire) & SHUT != 0
    }

    /// Shut, and nobody inside: nobody ever will be.
    pub(crate) fn is_drained(&self) -> bool {
        self.0.load(Ordering::Acquire) == SHUT
    }

    pub(crate) fn inside(&self) -> u64 {
        self.0.load(Ordering::Relaxed) & !SHUT
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Admitted,
    /// The gate was shut. `emptied`: this attempt was the last trace of anybody, so whoever waits should look again.
    Refused {
        emptied: bool,
    },
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    };

    use super::*;

    #[test]
    fn a_shut_gate_turns_away_and_empties_once() {
        let gate = Gate::default();
        assert_eq!(gate.enter(), Entry::Admitted);
        gate.shut();
        assert!(matches!(gate.enter(), Entry::Refused { emptied: false }));
        assert!(!gate.is_drained());
        assert!(gate.leave());
        assert!(gate.is_drained());
    }

    #[test]
    fn nobody_is_inside_after_it_was_seen_drained() {
        for _ in 0..200 {
            let gate = Arc::new(Gate::default());
            let stopped = Arc::new(AtomicBool::new(false));
            let violations = Arc::new(AtomicU64::new(0));
            let users: Vec<_> = (0..2)
                .map(|_| {
                    let (gate, stopped, violations) =
                        (gate.clone(), stopped.clone(), violations.clone());
                    std::thread::spawn(move || {
                        while gate.enter() == Entry::Admitted {
                            if stopped.load(Ordering::SeqCst) {
                                violations.fetch_add(1, Ordering::SeqCst);
                            }
                            let _ = gate.leave();
                        }
                    })
                })
                .collect();
            gate.shut();
            while !gate.is_drained() {
                std::hint::spin_loop();
            }
            stopped.store(true, Ordering::SeqCst);
            for user in users {
                user.join().unwrap();
            }
            assert_eq!(violations.load(Ordering::SeqCst), 0);
        }
    }
}

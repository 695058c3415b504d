//! Names on networks of applications of one namespace: each tells what it has there, and has those in its own names that it shares a
//! network with. So nothing of the cluster belongs to two applications.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use pluvio_model::id::ApplicationId;
use pluvio_model::release::{DecidedNetwork, Release};
use pluvio_model::stage::{Stage, Wish};
use pluvio_plan::lower::kubernetes::{Options, inner_names};
use tokio::time::Instant;

use crate::worker::Application;

/// How long after a start names are left as they are for applications that have not yet told theirs.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is found by a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Whoever shares a network by this name finds it.
    pub(crate) known_as: String,
    pub(crate) host: String,
    pub(crate) address: String,
}

pub(crate) struct Meetings {
    began: Instant,
    members: Mutex<BTreeMap<ApplicationId, Member>>,
}

/// An application, by its stage.
struct Member {
    namespace: String,
    /// What it calls the networks that it shares: it finds what others have on one of such a name.
    shares: Vec<String>,
    /// What others find its own by.
    known_as: BTreeSet<String>,
    /// Whom to wake when others' names change; none before its loop has told its own.
    told: Option<(Arc<Application>, Vec<Found>)>,
}

impl Member {
    fn finds(&self, other: &Member) -> bool {
        self.namespace == other.namespace
            && self.shares.iter().any(|name| other.known_as.contains(name))
    }
}

/// What an application calls the networks that it shares.
fn shares(release: &Release) -> Vec<String> {
    let networks = release.networks.values();
    let shared = networks.filter_map(DecidedNetwork::shared_name);
    shared.map(str::to_owned).collect()
}

impl Meetings {
    pub(crate) fn new() -> Meetings {
        Meetings {
            began: Instant::now(),
            members: Mutex::default(),
        }
    }

    fn members(&self) -> MutexGuard<'_, BTreeMap<ApplicationId, Member>> {
        self.members.lock().expect("no holder panics")
    }

    /// Takes in what a stage says, before its application's loop does anything for it.
    pub(crate) fn learn(&self, stage: &Stage) {
        let mut members = self.members();
        let before = members.remove(&stage.application);
        if let Wish::Run(wish) = &stage.wish {
            let names = inner_names(&wish.release).into_iter();
            let member = Member {
                namespace: Options::for_reading(&wish.release).namespace,
                shares: shares(&wish.release),
                known_as: names.flat_map(|name| name.known_as).collect(),
                told: before.as_ref().and_then(|member| member.told.clone()),
            };
            members.insert(stage.application, member);
        }
        if let Some(before) = before {
            let now = members.get(&stage.application);
            if now.is_none_or(|now| now.known_as != before.known_as) {
                wake(&members, stage.application, &before);
            }
        }
    }

    /// What an application has on its networks, from now on. Wakes those that find it when that is new.
    pub(crate) fn tell(&self, application: &Arc<Application>, found: Vec<Found>) {
        let mut members = self.members();
        let Some(member) = members.get_mut(&application.id) else {
            return;
        };
        let before = member.told.as_ref().map(|(_, found)| found);
        if before == Some(&found) {
            return;
        }
        member.told = Some((application.clone(), found));
        wake(&members, application.id, &members[&application.id]);
    }

    /// What others have on the networks that an application shares; of two that have one name, the older application's. And for
    /// how long to wait, shortly after a start, for those that have not told theirs.
    pub(crate) fn others(
        &self,
        application: ApplicationId,
    ) -> (Vec<(String, String)>, Option<Duration>) {
        let members = self.members();
        let Some(own) = members.get(&application) else {
            return (Vec::new(), None);
        };
        let mut waits = None;
        let mut all = Vec::new();
        for (id, other) in members.iter() {
            if *id == application || !own.finds(other) {
                continue;
            }
            match &other.told {
                Some((_, found)) => {
                    let there = found
                        .iter()
                        .filter(|one| own.shares.contains(&one.known_as));
                    all.extend(there.map(|one| (one.host.clone(), one.address.clone())));
                }
                None => {
                    let left = PATIENCE.saturating_sub(self.began.elapsed());
                    waits = Some(left).filter(|left| !left.is_zero());
                }
            }
        }
        (all, waits)
    }
}

/// Wakes those that find what an application has, or had.
fn wake(members: &BTreeMap<ApplicationId, Member>, of: ApplicationId, member: &Member) {
    let others = members.iter().filter(|(id, _)| **id != of);
    let finders = others.filter(|(_, other)| other.finds(member));
    for (application, _) in finders.filter_map(|(_, other)| other.told.as_ref()) {
        application.wake.notify_one();
    }
}

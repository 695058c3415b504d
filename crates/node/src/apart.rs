//! Applications are kept apart on Podman's networks, by addresses too.
//!
//! Docker drops what goes from one of its bridges to another. Podman's netavark has rules for that as well, but up to release
//! 1.4 takes the way to them out whenever any network loses its last container; from then on every instance reaches every
//! other one. So one rule of our own stands before them: nothing is passed on from the pool's addresses to the pool's, unless
//! within one bridge, or to a port that the machine publishes. What applications share goes over virtual addresses, which are the
//! machine's own and pass no such rule.
//!
//! Needs CAP_NET_ADMIN and `iptables`, which those releases of netavark need as well.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use pluvio_model::facts::{Facts, Reach, RuntimeKind};
use tokio::process::Command;
use tokio::time::Instant;

use crate::config::Pool;
use crate::node::Shared;

/// How often it is looked whether the rule is there: who loads a firewall anew takes it out.
const LOOK: Duration = Duration::from_secs(10);
/// How often it is looked whether the kernel shows bridged packets to the firewall by now.
const GLANCE: Duration = Duration::from_secs(1);
/// Whether it does. The file is there once `br_netfilter` is loaded, which others do.
const BRIDGED: &str = "/proc/sys/net/bridge/bridge-nf-call-iptables";
/// What `iptables -C` ends with where there is no such rule; it has other numbers for what went wrong.
const ABSENT: i32 = 1;
/// Rules of one pool that are taken out at most: nodes that made them at the same moment.
const MOST: usize = 16;

/// Keeps the rule where the engine needs it, without end.
pub(crate) async fn keep(shared: Arc<Shared>, pool: Pool) {
    let mut told = false;
    let mut before = None;
    let mut looked: Option<Instant> = None;
    loop {
        let facts = shared.engine.known_facts();
        // An engine in memory has no network.
        if facts
            .as_ref()
            .is_some_and(|facts| facts.runtime == RuntimeKind::Memory)
        {
            return;
        }
        let needed =
            |facts: Facts| facts.runtime == RuntimeKind::Podman && facts.reach == Reach::Bridge;
        let bridged = sees_bridged();
        let changed = before.is_some_and(|before| before != bridged);
        let is_due = changed || looked.is_none_or(|at| at.elapsed() >= LOOK);
        if is_due && facts.is_some_and(needed) {
            looked = Some(Instant::now());
            match put(pool, bridged).await {
                Ok(()) if before != Some(bridged) => {
                    // What an earlier look, or an earlier node, made for the other case.
                    take_out(pool, !bridged).await;
                    before = Some(bridged);
                }
                Ok(()) => {}
                Err(why) if !std::mem::replace(&mut told, true) => {
                    tracing::warn!(%pool, why, "networks are kept apart by the engine alone");
                }
                Err(_) => {}
            }
        }
        tokio::time::sleep(GLANCE).await;
    }
}

fn sees_bridged() -> bool {
    std::fs::read_to_string(BRIDGED).is_ok_and(|text| text.trim() != "0")
}

/// Puts the rule first, unless it is there.
async fn put(pool: Pool, bridged: bool) -> Result<(), String> {
    match iptables("-C", pool, bridged).await? {
        Ended::Well => Ok(()),
        Ended::With(ABSENT, _) => match iptables("-I", pool, bridged).await? {
            Ended::Well => Ok(()),
            Ended::With(_, said) => Err(said),
        },
        Ended::With(_, said) => Err(said),
    }
}

async fn take_out(pool: Pool, bridged: bool) {
    for _ in 0..MOST {
        // Nothing is asked of a module that is not there: asking loads it.
        if bridged && !Path::new(BRIDGED).exists() {
            return;
        }
        if !matches!(iptables("-D", pool, bridged).await, Ok(Ended::Well)) {
            return;
        }
    }
}

/// Takes out what a node did to the machine for this pool. Another one that has the same puts it back.
pub async fn forget_pool(pool: Pool) {
    take_out(pool, false).await;
    take_out(pool, true).await;
}

enum Ended {
    Well,
    With(i32, String),
}

/// Asks for the rule (`-C`), puts it first (`-I`) or takes it out (`-D`).
///
/// Where the firewall sees what passes within a bridge, that is let through (`bridged`). Elsewhere the words for it would load
/// `br_netfilter`, from which on the firewall sees the packets of every bridge of the machine, those of others' virtual machines too.
async fn iptables(what: &str, pool: Pool, bridged: bool) -> Result<Ended, String> {
    let pool = pool.to_string();
    let mut words = vec!["-w", "5", what, "FORWARD", "-s", &pool, "-d", &pool];
    if bridged {
        words.extend(["-m", "physdev", "!", "--physdev-is-bridged"]);
    }
    words.extend(["-m", "conntrack", "!", "--ctstate", "DNAT"]);
    let comment = "pluvio: applications are apart";
    words.extend(["-m", "comment", "--comment", comment, "-j", "REJECT"]);
    let run = Command::new("iptables")
        .args(words)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    match run.await {
        Ok(output) if output.status.success() => Ok(Ended::Well),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Ok(Ended::With(output.status.code().unwrap_or(-1), said))
        }
        Err(error) => Err(format!("`iptables` cannot be run: {error}")),
    }
}

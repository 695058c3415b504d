//! Applications are kept apart on Podman's networks, by addresses too.
//!
//! Docker drops what goes from one of its bridges to another. Podman's netavark has rules for that as well, but up to release
//! 1.4 takes the way to them out whenever any network loses its last container; from then on every instance reaches every
//! other one. So one rule of our own stands before them: nothing is passed on from the pool's addresses to the pool's, unless
//! within one bridge, or to a port that the machine publishes. What applications share goes over virtual addresses, which are the machine's own
//! and pass no such rule.
//!
//! Needs CAP_NET_ADMIN and `iptables`. Where it is missing netavark does without it too, and keeps its own rules whole.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use pluvio_model::facts::{Facts, Reach, RuntimeKind};
use tokio::process::Command;

use crate::config::Pool;
use crate::node::Shared;

/// How often it is looked whether the rule is there: who loads a firewall anew takes it out.
const LOOK: Duration = Duration::from_secs(10);

/// Keeps the rule where the engine needs it, without end.
pub(crate) async fn keep(shared: Arc<Shared>, pool: Pool) {
    let mut told = false;
    loop {
        let facts = shared.engine.known_facts();
        let known = facts.is_some();
        // An engine in memory has no network.
        if facts
            .as_ref()
            .is_some_and(|facts| facts.runtime == RuntimeKind::Memory)
        {
            return;
        }
        let needed =
            |facts: Facts| facts.runtime == RuntimeKind::Podman && facts.reach == Reach::Bridge;
        if facts.is_some_and(needed) && iptables("-C", pool).await.is_err() {
            match iptables("-I", pool).await {
                Ok(()) => tracing::debug!(%pool, "networks are kept apart"),
                Err(why) if !std::mem::replace(&mut told, true) => {
                    tracing::warn!(%pool, why, "networks are kept apart by the engine alone");
                }
                Err(_) => {}
            }
        }
        // Until the engine has answered for the first time.
        let pause = if known { LOOK } else { Duration::from_secs(1) };
        tokio::time::sleep(pause).await;
    }
}

/// Takes out what a node did to the machine for this pool. Another one that has the same puts it back.
pub async fn forget_pool(pool: Pool) {
    // Two nodes of one pool, one after another, may have made it at the same moment.
    for _ in 0..4 {
        if iptables("-D", pool).await.is_err() {
            return;
        }
    }
}

/// Asks for the rule (`-C`), puts it first (`-I`) or takes it out (`-D`).
async fn iptables(what: &str, pool: Pool) -> Result<(), String> {
    let pool = pool.to_string();
    let rule = [
        "-w",
        "5",
        what,
        "FORWARD",
        "-s",
        &pool,
        "-d",
        &pool,
        "-m",
        "physdev",
        "!",
        "--physdev-is-bridged",
        "-m",
        "conntrack",
        "!",
        "--ctstate",
        "DNAT",
        "-m",
        "comment",
        "--comment",
        "pluvio: applications are apart",
        "-j",
        "REJECT",
    ];
    let run = Command::new("iptables")
        .args(rule)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    match run.await {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("`iptables` cannot be run: {error}")),
    }
}

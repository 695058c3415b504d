//! When an ended instance is started again: the product owns restarts, because engines differ in theirs.

use jiff::Timestamp;
use pluvio_model::quantity::Span;
use pluvio_model::spec::RestartPolicy;

use super::{InstanceSeen, LastExit, after, deadline};

const FIRST_REST: Span = Span::seconds(1);
const LONGEST_REST: Span = Span::seconds(300);
/// An instance that ran so long is healthy: what ends it then is news, not a crash loop.
const HEALTHY_AFTER: Span = Span::seconds(600);

/// How long an instance that ended `exits` times in a row rests: 1 s, doubling to 5 min. None after none.
pub fn back_off(exits: u32) -> Span {
    if exits == 0 {
        return Span(0);
    }
    let doubled = FIRST_REST.millis() << (exits - 1).min(20);
    Span(doubled.min(LONGEST_REST.millis()))
}

/// The number of ends in a row after one more: counting begins anew once it had run for ten minutes.
pub fn count_exit(before: u32, started_at: Option<Timestamp>, exited_at: Timestamp) -> u32 {
    let was_healthy = started_at.is_some_and(|started| after(started, HEALTHY_AFTER) <= exited_at);
    if was_healthy {
        1
    } else {
        before.saturating_add(1)
    }
}

/// When an ended instance may be started again; `None` if its policy says never.
pub fn start_again_at(restart: RestartPolicy, exits: u32, last: LastExit) -> Option<Timestamp> {
    let again = match restart {
        RestartPolicy::Always => true,
        RestartPolicy::OnFailure => last.code != 0,
        RestartPolicy::Never => false,
    };
    again.then(|| after(last.at, back_off(exits)))
}

pub(super) enum Due {
    Now,
    At(Timestamp),
    Never,
}

pub(super) fn due(restart: RestartPolicy, instance: &InstanceSeen, now: Timestamp) -> Due {
    let Some(last) = instance.last_exit else {
        // How it ended is not known: the machine was restarted. `never` keeps its word.
        return match restart {
            RestartPolicy::Never => Due::Never,
            RestartPolicy::Always | RestartPolicy::OnFailure => Due::Now,
        };
    };
    if start_again_at(restart, instance.exits, last.counted(instance.stop)).is_none() {
        return Due::Never;
    }
    match deadline(last.at, back_off(instance.exits), now) {
        Some(at) => Due::At(at),
        None => Due::Now,
    }
}

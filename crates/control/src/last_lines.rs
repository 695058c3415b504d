//! What programs said last.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use futures::StreamExt;
use pluvio_model::observed::{InstanceState, ObservedApplication};
use pluvio_runtime::LogQuery;
use pluvio_store::Target;

use crate::places::Bound;

/// How long all instances together are waited for: other applications wait for their turn.
const WAIT: Duration = Duration::from_secs(2);
/// How many are asked at once.
const AT_ONCE: usize = 64;

type Lines = BTreeMap<String, Vec<String>>;

/// The last lines of instances that are not well: they become a failure's evidence.
pub(crate) async fn of_the_unwell(
    at: &Bound,
    target: &Target,
    seen: Option<&ObservedApplication>,
) -> Lines {
    let instances = seen
        .into_iter()
        .flat_map(|s| s.components.values())
        .flat_map(|c| &c.instances);
    let unwell =
        instances.filter(|i| matches!(i.state, InstanceState::Starting | InstanceState::NotReady));
    let asked = unwell.map(|instance| {
        let query = LogQuery {
            application: target.application,
            component: None,
            instance: Some(instance.name.clone()),
            container: None,
            since: None,
            until: None,
            contains: None,
            tail: Some(10),
            follow: false,
        };
        let (place, name) = (at.place.clone(), instance.name.clone());
        async move {
            let lines = place.logs(query).await.ok()?;
            Some((name, lines.map(|l| l.text).collect().await))
        }
    });
    in_time(asked.collect()).await
}

/// Those that come in time; who is slow costs the others nothing.
async fn in_time(asked: Vec<impl Future<Output = Option<(String, Vec<String>)>>>) -> Lines {
    let mut out = Lines::new();
    let mut coming = futures::stream::iter(asked).buffer_unordered(AT_ONCE);
    let all = async {
        while let Some(lines) = coming.next().await {
            out.extend(lines);
        }
    };
    let _ = tokio::time::timeout(WAIT, all).await;
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn slow_instances_hold_nobody_up_and_hide_nobody() {
        let asked = (0..20).map(|number: u64| async move {
            let slow = number != 7 && number != 19;
            tokio::time::sleep(Duration::from_secs(if slow { 60 } else { 1 })).await;
            Some((number.to_string(), vec!["a line".to_owned()]))
        });
        let since = tokio::time::Instant::now();
        let lines = in_time(asked.collect()).await;
        assert!(since.elapsed() <= WAIT + Duration::from_millis(10));
        assert_eq!(lines.into_keys().collect::<Vec<_>>(), ["19", "7"]);
    }
}

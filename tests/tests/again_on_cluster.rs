//! What ended again and again for want of something is tried at once when it is asked for anew, on a real Kubernetes, where it
//! would rest for up to five minutes between two tries.

use std::time::{Duration, Instant};

use pluvio_tests::image::IMAGE;
use pluvio_tests::place::Place;
use pluvio_tests::wait;
use serde_json::Value;

const APP: &str = "anew";
/// Kubelets rest for 10, 20, 40 s after the first ends, and for 80 s after the one that follows so many starts.
const RESTARTS: u64 = 3;
/// Far longer than it takes to start, and less than is left of that rest.
const AT_ONCE: Duration = Duration::from_secs(60);

/// `web` and `db` end while a file of the volume says so, which `keeper` writes.
fn spec() -> String {
    let server = format!(
        "    image: {IMAGE}
    command:
      - sh
      - -c
      - |
        if [ \"$(cat /data/state)\" = bad ] && [ -n \"$HEEDS\" ]; then exit 4; fi
        trap 'exit 0' TERM
        /serve & wait
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 1s }} }}
    rollout: {{ drain: 1s, grace: 1s, deadline: 60s }}
    volumes: {{ /data: {{ name: data, access: shared }} }}
    routes: []
"
    );
    format!(
        "apiVersion: pluvio/v1
name: {APP}
components:
  keeper:
{server}  web:
{server}    env: {{ HEEDS: \"yes\" }}
  db:
    kind: stateful
{server}    env: {{ HEEDS: \"yes\" }}
"
    )
}

/// The one pod of a component that is not about to go.
fn pod(place: &Place, component: &str) -> Option<Value> {
    let all = place.cluster.objects("pods", &place.namespace);
    let is_it = |pod: &Value| {
        let metadata = &pod["metadata"];
        metadata["labels"]["pluvio.io/component"] == component
            && metadata["deletionTimestamp"].is_null()
    };
    let mut all = all.into_iter().filter(is_it);
    all.next().filter(|_| all.next().is_none())
}

fn restarts(pod: &Value) -> u64 {
    let status = &pod["status"]["containerStatuses"][0];
    status["restartCount"].as_u64().unwrap_or_default()
}

/// Until it rests for long.
#[track_caller]
fn rests(place: &Place, component: &str) -> Value {
    let what = format!("{component} has ended {RESTARTS} times and once more");
    wait::until(&what, Duration::from_secs(240), || {
        let pod = pod(place, component)?;
        let state = &pod["status"]["containerStatuses"][0]["state"];
        let is_resting = state["waiting"]["reason"] == "CrashLoopBackOff";
        (is_resting && restarts(&pod) >= RESTARTS).then_some(pod)
    })
}

#[test]
fn what_rests_after_it_ended_begins_at_once_when_it_is_asked_for_anew() {
    let place = Place::start(APP);
    place.deploy(&spec()).ok();
    let space = ["-n", place.namespace.as_str()];
    let kubectl = |words: &[&str]| place.cluster.kubectl(&[&space[..], words].concat());
    let says = |state: &str| {
        let write = format!("echo {state} > /data/state");
        kubectl(&["exec", "deploy/anew--keeper", "--", "sh", "-c", &write]);
    };

    // What they need goes, and so do their instances.
    says("bad");
    let both = "pluvio.io/component in (web, db)";
    kubectl(&["delete", "pods", "-l", both, "--wait=false"]);
    let (web, db) = (rests(&place, "web"), rests(&place, "db"));

    // It is back, and the same is asked for once more.
    says("good");
    let asked = Instant::now();
    place.deploy(&spec()).ok();
    let took = asked.elapsed();
    assert!(took < AT_ONCE, "{took:?}");
    for (component, before) in [("web", web), ("db", db)] {
        let now = pod(&place, component).expect("it runs");
        assert_ne!(now["metadata"]["uid"], before["metadata"]["uid"]);
        assert_eq!(restarts(&now), 0, "{now:#}");
        let hash = |pod: &Value| pod["metadata"]["annotations"]["pluvio.io/hash"].clone();
        assert_eq!(hash(&now), hash(&before), "nothing of it changed");
    }
    place.end();
}

//! What is changed by hand on a real Kubernetes, past Pluvio, is put right: as on the engine (BX-05).

use std::time::Duration;

use pluvio_tests::image::IMAGE;
use pluvio_tests::place::Place;
use pluvio_tests::wait;

const APP: &str = "byhand";
/// Long before everything is written again whatever was seen.
const NOTICED: Duration = Duration::from_secs(45);

fn spec() -> String {
    let server = format!(
        "    image: {IMAGE}
    command: [sh, -c, \"trap 'exit 0' TERM; /serve & wait\"]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 1s }} }}
    rollout: {{ drain: 1s, grace: 1s, deadline: 60s }}
    env: {{ GREETING: ours, KEY: \"${{secrets.MADE}}\" }}
    routes: []
"
    );
    format!(
        "apiVersion: pluvio/v1
name: {APP}
secrets: {{ MADE: {{ generate: true }} }}
components:
  web:
{server}    files: {{ /tmp/hot/note: {{ content: ours, hot: true }} }}
    uses: [db]
  wide:
{server}    scale: {{ min: 1, max: 3, cpu: 60 }}
    resources: {{ cpu: {{ request: 10m }} }}
  db:
    kind: stateful
{server}    volumes: {{ /data: {{ name: data }} }}
  seed:
    kind: job
    image: {IMAGE}
    uses: [db]
    command: [sh, -c, \"echo seeded\"]
  night:
    kind: cron
    image: {IMAGE}
    schedule: \"0 0 1 1 *\"
    command: [\"true\"]
"
    )
}

struct Scene(Place);

impl Scene {
    fn kubectl(&self, words: &[&str]) -> String {
        let space = ["-n", &self.0.namespace];
        self.0.cluster.kubectl(&[&space[..], words].concat())
    }

    /// One field of an object; nothing where there is none.
    fn field(&self, object: &str, path: &str) -> String {
        let space = ["-n", &self.0.namespace, "get", object, "-o"];
        let path = format!("jsonpath={{{path}}}");
        let path = [path.as_str()];
        let asked = self.0.cluster.try_kubectl(&[&space[..], &path].concat());
        asked.unwrap_or_default()
    }

    #[track_caller]
    fn until_is(&self, object: &str, path: &str, wanted: &str) {
        let what = format!("{path} of {object} is {wanted:?} again");
        wait::until_true(&what, NOTICED, || self.field(object, path) == wanted);
    }

    /// Deletes an object; it is made anew, as it was.
    #[track_caller]
    fn deleted(&self, object: &str, path: &str) {
        let (id, was) = (
            self.field(object, ".metadata.uid"),
            self.field(object, path),
        );
        assert!(
            !id.is_empty() && !was.is_empty(),
            "{object} {path}: {id} {was}"
        );
        self.kubectl(&["delete", object, "--wait=false"]);
        let what = format!("{object} is there again");
        wait::until_true(&what, NOTICED, || {
            let now = self.field(object, ".metadata.uid");
            !now.is_empty() && now != id && self.field(object, path) == was
        });
    }

    #[track_caller]
    fn runs(&self) {
        self.0.until("all of it runs", || {
            let status = self.0.ok(&["status"]);
            status["status"] == "running"
                && status["instances_ready"] == 3
                && status["instances_wanted"] == 3
        });
    }

    fn named(&self, kind: &str, part: &str) -> String {
        let all = self.kubectl(&["get", kind, "-o", "name"]);
        let found = all.lines().find(|name| name.contains(part));
        found
            .unwrap_or_else(|| panic!("no {kind} {part} in {all}"))
            .to_owned()
    }
}

#[test]
fn bx05_what_is_changed_by_hand_on_a_cluster_is_put_right() {
    let scene = Scene(Place::start(APP));
    let place = &scene.0;
    place.deploy(&spec()).ok();
    let before = place.contents();
    let (web, db) = ("deployment/byhand--web", "statefulset/byhand--db");

    // Changed.
    scene.kubectl(&["scale", web, "--replicas=4"]);
    scene.until_is(web, ".spec.replicas", "1");
    scene.kubectl(&["scale", db, "--replicas=0"]);
    scene.until_is(db, ".spec.replicas", "1");
    scene.kubectl(&["set", "env", web, "GREETING=theirs"]);
    let greeting = ".spec.template.spec.containers[0].env[?(@.name==\"GREETING\")].value";
    scene.until_is(web, greeting, "ours");
    scene.kubectl(&["set", "image", web, "*=localhost/nowhere:1"]);
    scene.until_is(web, ".spec.template.spec.containers[0].image", IMAGE);
    let patch = |object: &str, patch: &str| {
        scene.kubectl(&["patch", object, "--type=merge", "-p", patch]);
    };
    patch("cronjob/byhand--night", r#"{"spec":{"suspend":true}}"#);
    scene.until_is("cronjob/byhand--night", ".spec.suspend", "false");
    patch("hpa/byhand--wide", r#"{"spec":{"maxReplicas":9}}"#);
    scene.until_is("hpa/byhand--wide", ".spec.maxReplicas", "3");
    patch(
        "service/byhand--web",
        r#"{"spec":{"ports":[{"name":"http","port":99}]}}"#,
    );
    scene.until_is("service/byhand--web", ".spec.ports[*].port", "8080");
    let hot = scene.named("configmap", "hot");
    let key = scene.field(&hot, ".data");
    patch(
        &hot,
        &key.replace("ours", "theirs")
            .replace('{', "{\"data\":{")
            .replace('}', "}}"),
    );
    scene.until_is(&hot, ".data", &key);
    let policy = scene.named("networkpolicy", APP);
    let open = scene.field(&policy, ".spec.ingress");
    patch(&policy, r#"{"spec":{"ingress":[{}]}}"#);
    scene.until_is(&policy, ".spec.ingress", &open);

    // Deleted.
    scene.deleted(web, ".spec.replicas");
    scene.deleted(db, ".spec.replicas");
    scene.deleted("service/byhand--web", ".spec.ports[*].port");
    scene.deleted("cronjob/byhand--night", ".spec.schedule");
    scene.deleted("hpa/byhand--wide", ".spec.maxReplicas");
    scene.deleted(&hot, ".data");
    let secret = scene.named("secret", "byhand--web");
    scene.deleted(&secret, ".data");
    scene.deleted(&policy, ".spec.ingress");
    let names = scene.kubectl(&[
        "get",
        "endpointslice",
        "-l",
        "kubernetes.io/service-name=byhand",
        "-o",
        "name",
    ]);
    scene.deleted(names.trim(), ".endpoints");
    scene.runs();
    assert_eq!(place.contents(), before);

    // A run that is over is not run again because its record is taken away.
    scene.kubectl(&["delete", "jobs", "--all"]);
    // What somebody else put there is not Pluvio's.
    scene.kubectl(&["create", "configmap", "theirs", "--from-literal=a=b"]);
    scene.kubectl(&["delete", "pods", "--all", "--wait=false"]);
    scene.runs();
    place.until("its page", || {
        place
            .get("web", "/")
            .is_ok_and(|page| page.trim() == "ours")
    });
    assert_eq!(scene.kubectl(&["get", "jobs", "-o", "name"]), "");
    assert_eq!(scene.field("configmap/theirs", ".data.a"), "b");
    assert_eq!(place.ok(&["status"])["live_release"], 1);

    // All of it.
    let namespace = &place.namespace;
    place.cluster.kubectl(&["delete", "namespace", namespace]);
    scene.runs();
    place.until("its page", || {
        place
            .get("web", "/")
            .is_ok_and(|page| page.trim() == "ours")
    });
    place.end();
}

//! Looking at clusters that are well, that lack something, and that are none.

use std::io::Write;
use std::process::{Command, Stdio};

use kube::config::Kubeconfig;
use pluvio_kubernetes::check::{SUPPORTED, check};
use pluvio_kubernetes::{Connection, Credential};
use pluvio_model::cluster::{CheckName, CheckReport, CheckState, PolicyEnforcement};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::scene;

fn given(kubeconfig: &Value) -> Credential {
    Credential {
        kubeconfig: kubeconfig.to_string(),
        context: None,
    }
}

/// The cluster's own, as a value to change.
fn administrator() -> Value {
    let read = Kubeconfig::from_yaml(&scene::kubeconfig()).expect("a kubeconfig");
    serde_json::to_value(read).expect("a kubeconfig is a value")
}

fn changed(change: impl FnOnce(&mut Value, &mut Value)) -> Credential {
    let mut all = administrator();
    let mut user = all["users"][0]["user"].take();
    let mut cluster = all["clusters"][0]["cluster"].take();
    change(&mut cluster, &mut user);
    all["clusters"][0]["cluster"] = cluster;
    all["users"][0]["user"] = user;
    given(&all)
}

/// The only step that failed.
fn failure(report: &CheckReport) -> (CheckName, &str, &str) {
    let failed: Vec<_> = report.failed().collect();
    assert_eq!(failed.len(), 1, "{report:#?}");
    assert!(!report.is_usable());
    let remedy = failed[0].remedy.as_deref();
    (failed[0].name, &failed[0].found, remedy.expect("a remedy"))
}

async fn fails(credential: &Credential, step: CheckName, word: &str) -> CheckReport {
    let started = std::time::Instant::now();
    let report = check(credential).await;
    assert!(started.elapsed().as_secs() < 12, "{:?}", started.elapsed());
    assert_eq!(report.steps.len(), 11, "{report:#?}");
    let (name, found, _) = failure(&report);
    assert_eq!(name, step, "{found}");
    assert!(found.contains(word), "{word}: {found}");
    let after = report.steps.iter().filter(|one| one.name > step);
    for one in after.filter(|one| one.name != CheckName::Version) {
        assert_eq!(one.state, CheckState::Skipped, "{one:?}");
    }
    report
}

#[tokio::test]
async fn a_cluster_is_looked_at_step_by_step() {
    let report = check(&given(&administrator())).await;
    assert!(report.is_usable(), "{report:#?}");
    let state = |name| report.step(name).expect("a step").state;
    for name in [
        CheckName::Kubeconfig,
        CheckName::Reach,
        CheckName::Identity,
        CheckName::Version,
        CheckName::Permissions,
        CheckName::Account,
        CheckName::StorageClasses,
    ] {
        assert_eq!(state(name), CheckState::Passed, "{report:#?}");
    }
    let found = &report.findings;
    assert!(found.can_make_account && report.identity.is_some());
    assert_eq!(found.architectures, ["amd64"]);
    assert!(found.nodes >= 1 && found.ready_nodes >= 1);
    assert!(
        found
            .storage_classes
            .iter()
            .any(|class| class.is_default && class.name == "local")
    );
    // The network of this cluster enforces nothing, and is none that is known.
    assert_eq!(found.network_policies, PolicyEnforcement::Unknown);
    assert_eq!(state(CheckName::NetworkPolicies), CheckState::Warning);
    let text = serde_json::to_string(&report).expect("a report serialises");
    let read: CheckReport = serde_json::from_str(&text).expect("and is read again");
    assert_eq!(read, report);
}

#[tokio::test]
async fn kubeconfigs_that_cannot_be_used_are_told_apart() {
    use CheckName::{Identity, Kubeconfig, Reach};
    let rubbish = Credential {
        kubeconfig: "a: [".to_owned(),
        context: None,
    };
    fails(&rubbish, Kubeconfig, "cannot be read").await;
    let elsewhere = Credential {
        context: Some("none".to_owned()),
        ..given(&administrator())
    };
    fails(&elsewhere, Kubeconfig, "no context none").await;
    let (one, two) = (Keys::new(&[]), Keys::new(&[]));
    let ((certificate, _), (_, key)) = (one.expired("/CN=one"), two.expired("/CN=two"));
    let apart = changed(|_, user| {
        *user = json!({ "client-certificate-data": certificate, "client-key-data": key });
    });
    fails(&apart, Kubeconfig, "do not belong together").await;
    let unchecked = changed(|cluster, _| {
        cluster["insecure-skip-tls-verify"] = true.into();
        cluster["certificate-authority-data"] = Value::Null;
    });
    let report = check(&unchecked).await;
    let step = report.step(Kubeconfig).expect("a step");
    assert_eq!(step.state, CheckState::Warning, "{step:?}");
    assert!(report.is_usable(), "{report:#?}");

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let at = |server: String| changed(|cluster, _| cluster["server"] = server.into());
    fails(&at(format!("https://127.0.0.1:{port}")), Reach, "refuses").await;
    fails(&at("https://cluster.invalid:6443".to_owned()), Reach, "DNS").await;

    // One that accepts and says nothing, one that speaks no TLS.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = silent.local_addr().expect("an address");
    fails(&at(format!("https://{address}")), Reach, "within 5 seconds").await;
    let plain = answering("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    fails(&at(format!("https://{plain}")), Reach, "TLS").await;
    let other = answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
    fails(
        &at(format!("http://{other}")),
        Reach,
        "no Kubernetes API server",
    )
    .await;

    let other = Keys::new(&[]);
    let foreign = changed(|cluster, _| cluster["certificate-authority-data"] = other.authority());
    fails(&foreign, Reach, "another authority").await;
    let misnamed = changed(|cluster, _| cluster["tls-server-name"] = "another.example".into());
    fails(&misnamed, Reach, "another name").await;

    let nobody = changed(|_, user| *user = json!({ "token": "rubbish" }));
    fails(&nobody, Identity, "does not accept").await;
    let anonymous = changed(|_, user| *user = json!({}));
    let report = check(&anonymous).await;
    let (name, found, _) = failure(&report);
    assert!(name == Identity && found.contains("anonymous"), "{found}");
}

#[tokio::test]
async fn expired_certificates_are_told() {
    let keys = Keys::new(&[]);
    let server = keys.serve_expired().await;
    let old = changed(|cluster, _| {
        cluster["server"] = format!("https://127.0.0.1:{}", server.port).into();
        cluster["certificate-authority-data"] = keys.authority();
    });
    fails(&old, CheckName::Reach, "certificate has expired").await;

    // The cluster's own authority made it, long ago.
    let folder = std::env::var("PLUVIO_TEST_KUBERNETES").map(std::path::PathBuf::from);
    let folder = folder
        .ok()
        .and_then(|path| Some(path.parent()?.join("pki")))
        .unwrap_or_else(|| "/var/tmp/pluvio-kubernetes/pki".into());
    let own = Keys::new(&[folder.join("ca.crt"), folder.join("ca.key")]);
    let of = |(certificate, key): (String, String)| {
        changed(|_, user| {
            *user = json!({ "client-certificate-data": certificate, "client-key-data": key });
        })
    };
    let late = of(own.expired("/O=system:masters/CN=late"));
    let early = of(own.dated("/O=system:masters/CN=early", "400101", "410101"));
    for (credential, word, date) in [
        (late, "expired at", "2020-01-02"),
        (early, "not valid yet", "2040-01-01"),
    ] {
        let report = fails(&credential, CheckName::Identity, word).await;
        let step = report.step(CheckName::Identity).expect("a step");
        assert!(step.found.contains(date), "{}", step.found);
        // Whoever adds it without looking first is told the same.
        let problem = Connection::open(&credential)
            .await
            .expect_err("it is refused");
        assert_eq!(
            (problem.code.as_str(), &problem.cause),
            ("refused", &step.found)
        );
        assert_eq!(Some(problem.remedy), step.remedy);
    }
}

/// What is said to be supported is what is run.
#[test]
fn the_ends_of_the_supported_range_are_run() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/kubernetes");
    let output = Command::new(script).arg("versions").output();
    let output = output.expect("the script runs").stdout;
    let text = String::from_utf8(output).expect("text");
    let minors: Vec<u32> = text
        .lines()
        .map(|version| {
            let minor = version.split('.').nth(1).expect("a minor version");
            minor.parse().expect("a number")
        })
        .collect();
    assert_eq!(minors.first(), Some(SUPPORTED.start()), "{text}");
    assert_eq!(minors.last(), Some(SUPPORTED.end()), "{text}");
}

#[tokio::test]
async fn versions_that_are_not_supported_are_told() {
    let body = |minor: u32| {
        let body = json!({
            "major": "1", "minor": minor.to_string(), "gitVersion": format!("v1.{minor}.0"), "gitCommit": "", "gitTreeState": "",
            "buildDate": "", "goVersion": "", "compiler": "", "platform": "linux/amd64",
            // What its other questions are answered with: it knows us, and has a namespace with an id.
            "kind": "Namespace", "metadata": { "name": "kube-system", "uid": "0198c0de-0000-7000-8000-000000000001" },
            "status": { "userInfo": { "username": "somebody" }, "allowed": true },
        })
        .to_string();
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let at = async |minor: u32| {
        let address = answering(&body(minor)).await;
        changed(|cluster, _| cluster["server"] = format!("http://{address}").into())
    };
    let report = check(&at(20).await).await;
    let (name, found, remedy) = failure(&report);
    assert_eq!(name, CheckName::Version);
    assert!(
        found.contains("too old") && remedy.contains("Upgrade"),
        "{found}"
    );
    assert_eq!(report.version.as_deref(), Some("1.20.0"));
    let newer = check(&at(99).await).await;
    let step = newer.step(CheckName::Version).expect("a step");
    assert_eq!(step.state, CheckState::Warning);
    assert!(newer.failed().all(|step| step.name != CheckName::Version));
}

/// Answers every request the same.
async fn answering(answer: &str) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let answer = answer.to_owned();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 65_536];
                let _ = connection.read(&mut request).await;
                let _ = connection.write_all(answer.as_bytes()).await;
                let _ = connection.shutdown().await;
            });
        }
    });
    address
}

/// An authority of its own, or one that is given by certificate and key.
struct Keys {
    folder: tempfile::TempDir,
}

struct Served {
    port: u16,
    process: std::process::Child,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Keys {
    fn new(given: &[std::path::PathBuf]) -> Keys {
        let keys = Keys {
            folder: tempfile::tempdir().expect("a folder"),
        };
        match given {
            [certificate, key] => {
                for (from, to) in [(certificate, "ca.crt"), (key, "ca.key")] {
                    let to = keys.folder.path().join(to);
                    std::fs::copy(from, to).expect("the cluster's keys can be read");
                }
            }
            _ => keys.shell(
                "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -days 30 -subj /CN=ca",
            ),
        }
        keys
    }

    fn shell(&self, script: &str) {
        let mut shell = Command::new("sh")
            .arg("-eu")
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("a shell");
        let mut input = shell.stdin.take().expect("its input");
        input
            .write_all(script.as_bytes())
            .expect("it takes a script");
        drop(input);
        assert!(shell.wait().expect("it ends").success(), "{script}");
    }

    fn base64(&self, name: &str) -> String {
        use base64::Engine;
        let bytes = std::fs::read(self.folder.path().join(name)).expect("a file");
        base64::engine::general_purpose::STANDARD.encode(bytes)
    }

    fn authority(&self) -> Value {
        self.base64("ca.crt").into()
    }

    /// Certificate and key of somebody, of one day in 2020.
    fn expired(&self, subject: &str) -> (String, String) {
        self.dated(subject, "200101", "200102")
    }

    /// Of somebody, from one day to another.
    fn dated(&self, subject: &str, from: &str, to: &str) -> (String, String) {
        self.shell(&format!(
            "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout old.key -out old.csr -subj {subject}
             mkdir -p db; : > db/index; echo 01 > db/serial
             cat > db/cnf <<'END'
[ca]
default_ca = it
[it]
database = db/index
serial = db/serial
new_certs_dir = db
default_md = sha256
policy = any
copy_extensions = none
x509_extensions = both
unique_subject = no
[any]
commonName = supplied
organizationName = optional
[both]
extendedKeyUsage = clientAuth, serverAuth
subjectAltName = IP:127.0.0.1
END
             openssl ca -batch -notext -config db/cnf -cert ca.crt -keyfile ca.key -in old.csr -out old.crt -startdate {from}000000Z -enddate {to}000000Z"
        ));
        (self.base64("old.crt"), self.base64("old.key"))
    }

    /// A server whose certificate ended years ago.
    async fn serve_expired(&self) -> Served {
        self.expired("/CN=old");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let process = Command::new("openssl")
            .args(["s_server", "-quiet", "-cert", "old.crt", "-key", "old.key"])
            .args(["-accept", &format!("127.0.0.1:{port}")])
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl");
        let served = Served { port, process };
        for _ in 0..100 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .is_ok()
            {
                return served;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("openssl does not serve");
    }
}

//! A Pluvio elsewhere, behind a reverse proxy that speaks TLS.

use pluvio_tests::hosts::TlsProxy;
use pluvio_tests::{Engine, Pluvio, app};

#[test]
fn a_pluvio_behind_tls_is_spoken_to_when_its_certificate_is_believed() {
    let pluvio = Pluvio::start(Engine::docker());
    let proxy = TlsProxy::start(pluvio.port());
    let (ca, other) = (proxy.file("ca.crt"), proxy.file("other.crt"));
    let created = pluvio.cli(&["token", "create", "pipeline", "--json"]).ok();
    let token = created["value"].as_str().expect("a token").to_owned();
    // A command of somebody who has nothing but the address.
    let home = tempfile::tempdir().unwrap();
    let there = |words: &[&str], input: Option<&str>| {
        let mut command = pluvio.command(words);
        command.env_remove("PLUVIO_DATA").env("HOME", home.path());
        pluvio_tests::pluvio::finish(command, input, pluvio_tests::pluvio::PATIENCE)
    };
    let login = |more: &[&str]| {
        let words = ["login", &proxy.url(), "--json"];
        there(&[&words[..], more].concat(), Some(&token))
    };
    // Nobody vouches for the authority, or the wrong one does.
    let problem = login(&[]).problem(1, "server.unreachable");
    assert!(
        problem["remedy"].as_str().unwrap().contains("--ca"),
        "{problem}"
    );
    login(&["--ca", other.to_str().unwrap()]).problem(1, "server.unreachable");
    // The certificate is for another name.
    let by_address = format!("https://127.0.0.1:{}", proxy.port);
    let words = ["login", &by_address, "--ca", ca.to_str().unwrap(), "--json"];
    there(&words, Some(&token)).problem(1, "server.unreachable");
    // TLS where there is none.
    let plain = format!("https://localhost:{}", pluvio.port());
    there(&["login", &plain, "--json"], Some(&token)).problem(1, "server.unreachable");

    let signed_in = login(&["--ca", ca.to_str().unwrap()]).ok();
    assert_eq!(signed_in["server"], proxy.url());
    // What was believed stays believed, without the file.
    std::fs::remove_file(&ca).unwrap();
    let who = there(&["whoami", "--json"], None).ok();
    assert_eq!(who["server"], proxy.url());
    // Requests, events, an upload, a terminal's WebSocket: all by TLS.
    let name = pluvio.name("far");
    let file = pluvio.write("far.yaml", &app::yaml(&name, "from afar", 1, ""));
    there(&["deploy", &file, "--json"], None).ok();
    assert!(pluvio.body(&name, "/").contains("from afar"));
    let said = there(
        &["exec", "-a", &name, "--", "echo", "through the proxy"],
        None,
    );
    assert!(
        said.exit == 0 && said.stdout.contains("through the proxy"),
        "{said:?}"
    );
    let logs = there(&["logs", "-a", &name], None);
    assert!(logs.stdout.contains("greeting is from afar"), "{logs:?}");
    there(&["logout", "--json"], None).ok();
    pluvio.end();
}

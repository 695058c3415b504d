//! What a Dockerfile is given beside its context: further contexts, and keys that its steps sign in with.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use pluvio_tests::image::IMAGE;
use pluvio_tests::{Answer, Engine, Pluvio, engines};

engines!(
    both: [a_dockerfile_is_built_from_further_contexts],
    docker: [a_step_signs_in_with_a_key_that_it_cannot_read],
    podman: [keys_for_steps_are_refused_with_what_to_do],
);

/// Two images are built.
const PATIENCE: Duration = Duration::from_secs(180);

fn deploy(pluvio: &Pluvio, name: &str) -> Answer {
    let folder = pluvio.scratch().join("shop").display().to_string();
    let words = ["deploy", &folder, "--name", name, "--json"];
    pluvio.cli_within(&words, PATIENCE)
}

fn a_dockerfile_is_built_from_further_contexts(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("contexts");
    pluvio.write(
        "shop/compose.yaml",
        &format!(
            "services:
  web:
    build:
      context: web
      additional_contexts:
        shared: ./libraries/shared
        base: docker-image://{IMAGE}
        tools: service:my_tools
    ports: ['8080']
  my_tools: {{ build: tools }}
"
        ),
    );
    // Everything is copied, so whatever is put beside these files would be found.
    pluvio.write(
        "shop/web/Dockerfile",
        "ARG FIRST=base\nFROM scratch AS shared\nCOPY Dockerfile /wrong\nFROM ${FIRST} AS last\nCOPY . /own\nCOPY --from=shared / /shared\nCOPY --from=tools /made /made\n\
         RUN --mount=type=bind,from=shared,source=/sub,target=/mnt cat /mnt/greeting >/mounted && ls -A /own /shared >/listing\n\
         EXPOSE 8080\nCMD [\"/serve\"]\n",
    );
    pluvio.write("shop/libraries/shared/sub/greeting", "first\n");
    pluvio.write("shop/libraries/shared/hidden", "x\n");
    pluvio.write("shop/libraries/shared/.dockerignore", "hidden\n");
    pluvio.write(
        "shop/tools/Dockerfile",
        &format!("FROM {IMAGE}\nRUN echo by-tools >/made\nEXPOSE 8080\nCMD [\"/serve\"]\n"),
    );
    deploy(&pluvio, &name).ok();
    let file = |path: &str| pluvio.body(&name, &format!("/file?{path}"));
    assert_eq!(file("/shared/sub/greeting"), "first\n");
    assert_eq!(file("/mounted"), "first\n");
    assert_eq!(file("/made"), "by-tools\n");
    let listing = file("/listing");
    let listed: Vec<&str> = listing.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(
        listed,
        ["/own:", "Dockerfile", "/shared:", ".dockerignore", "sub"]
    );

    // What changes in a context is built anew, and its image of before is gone.
    pluvio.write("shop/libraries/shared/sub/greeting", "second\n");
    pluvio.write(
        "shop/tools/Dockerfile",
        &format!("FROM {IMAGE}\nRUN echo by-others >/made\nEXPOSE 8080\nCMD [\"/serve\"]\n"),
    );
    deploy(&pluvio, &name).ok();
    assert_eq!(file("/mounted"), "second\n");
    assert_eq!(file("/made"), "by-others\n");
    let contexts = pluvio.engine.images(&format!("/{name}/web:context-"));
    assert_eq!(contexts.len(), 1, "{contexts:?}");

    let engine = pluvio.engine.clone();
    pluvio.end();
    assert_eq!(engine.images(&format!("/{name}/")), [""; 0]);
}

/// A key in the folder of the compose file that mounts it.
fn make_key(pluvio: &Pluvio, passphrase: &str) -> String {
    let file = pluvio.write("shop/deploy_key", "");
    std::fs::remove_file(&file).expect("written just now");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", passphrase, "-f", &file])
        .status();
    assert!(made.is_ok_and(|made| made.success()), "OpenSSH's client");
    std::fs::read_to_string(format!("{file}.pub")).expect("the public part")
}

/// As the agent tells it.
fn in_hex(public: &str) -> String {
    let blob = public.split_whitespace().nth(1).expect("its second word");
    let blob = base64::engine::general_purpose::STANDARD.decode(blob);
    let blob = blob.expect("base64");
    blob.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write_shop(pluvio: &Pluvio) {
    pluvio.write(
        "shop/compose.yaml",
        "services:\n  web:\n    build: { context: web, ssh: ['default=./deploy_key'] }\n    ports: ['8080']\n",
    );
    // What the engine's builder keeps of an earlier run of this test must not be found.
    let nonce = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    pluvio.write(
        "shop/web/Dockerfile",
        &format!(
            "FROM {IMAGE}\nCOPY agent_keys /agent_keys\nRUN : {nonce}\nRUN --mount=type=ssh,required=true /agent_keys >/listed\n\
             RUN echo \"socket=$SSH_AUTH_SOCK\" >/without\nEXPOSE 8080\nCMD [\"/serve\"]\n"
        ),
    );
}

fn a_step_signs_in_with_a_key_that_it_cannot_read(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("ssh");
    write_shop(&pluvio);
    let program = pluvio.scratch().join("shop/web/agent_keys");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("image/agent_keys.rs");
    let compiled = Command::new("rustc")
        .args(["--edition", "2024", "-C", "opt-level=1"])
        .args(["-C", "target-feature=+crt-static", "-o"])
        .args([&program, &source])
        .status();
    assert!(compiled.is_ok_and(|compiled| compiled.success()), "rustc");
    let public = make_key(&pluvio, "");
    let answer = deploy(&pluvio, &name);
    answer.ok();
    let listed = pluvio.body(&name, "/file?/listed");
    assert_eq!(listed.trim(), in_hex(&public));
    assert_eq!(pluvio.body(&name, "/file?/without"), "socket=\n");
    let key = std::fs::read_to_string(pluvio.scratch().join("shop/deploy_key"));
    let key = key.expect("the key");
    let secret = key.lines().nth(1).expect("a line of it");
    assert!(!answer.stdout.contains(secret) && !answer.stderr.contains(secret));

    // One that only its owner can open is of no use, and is named.
    let locked = pluvio.name("locked");
    make_key(&pluvio, "word of its owner");
    let problem = deploy(&pluvio, &locked).problem(1, "spec.invalid");
    let cause = problem["cause"].as_str().unwrap_or_default();
    assert!(cause.contains("BUILD_SSH_KEY"), "{problem}");
    pluvio.end();
}

fn keys_for_steps_are_refused_with_what_to_do(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("ssh");
    write_shop(&pluvio);
    pluvio.write("shop/web/agent_keys", "");
    make_key(&pluvio, "");
    let problem = deploy(&pluvio, &name).problem(1, "spec.unsupported");
    let remedy = problem["remedy"].as_str().unwrap_or_default();
    assert!(
        remedy.contains("Docker") && remedy.contains("type=secret"),
        "{problem}"
    );
    pluvio.end();
}

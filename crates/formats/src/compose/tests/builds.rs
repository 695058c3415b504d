//! What a Dockerfile is given beside its context.

use pluvio_model::name::EnvName;

use super::*;

const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\n";

#[test]
fn keys_of_an_agent_are_secrets() {
    let files = [
        (
            "compose.yaml",
            "
name: shop
services:
  web: { build: { context: web, ssh: [default] } }
  api: { build: { context: api, ssh: { default: ./key, git.host: ./notes.txt } } }
  job: { build: { context: job, ssh: ['default=./other', 'two=./key,./other'] } }
",
        ),
        ("key", KEY),
        ("notes.txt", "no key\n"),
        (
            "other",
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n",
        ),
    ];
    let import = read_files(&files);
    assert_eq!(import.errors, []);
    let ssh = |name: &str| {
        let build = import.spec.components[name].build.as_ref().unwrap();
        let keys = build.ssh.iter();
        keys.map(|(id, secret)| format!("{id}: {secret}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(ssh("web"), ["default: BUILD_SSH_KEY"]);
    assert_eq!(
        ssh("api"),
        ["default: BUILD_SSH_KEY", "git.host: BUILD_SSH_KEY_GIT_HOST"]
    );
    assert_eq!(ssh("job"), ["default: BUILD_SSH_KEY_JOB"]);
    let secrets: Vec<_> = import.spec.secrets.keys().map(EnvName::as_str).collect();
    assert_eq!(
        secrets,
        [
            "BUILD_SSH_KEY",
            "BUILD_SSH_KEY_GIT_HOST",
            "BUILD_SSH_KEY_JOB"
        ]
    );
    assert!(import.spec.secrets.values().all(|rule| !rule.generate));
    assert_eq!(import.secrets["BUILD_SSH_KEY"], KEY);
    assert!(!import.secrets.contains_key("BUILD_SSH_KEY_GIT_HOST"));
    let rows = import.report.iter().filter(|row| row.at.contains(".ssh"));
    let rows: Vec<_> = rows
        .map(|row| {
            let remedy = row.remedy.as_deref().unwrap_or_default();
            let sets = remedy.contains("pluvio secret set BUILD_SSH_KEY");
            format!("{} {} {sets}", row.outcome.as_str(), row.at)
        })
        .collect();
    assert_eq!(
        rows,
        [
            "adapted services.web.build.ssh.default true",
            "adapted services.api.build.ssh.default false",
            "adapted services.api.build.ssh.git.host true",
            "adapted services.job.build.ssh.default false",
            "refused services.job.build.ssh.two false",
        ]
    );
}

const CONTEXTS: &str = "
name: shop
services:
  web:
    build:
      context: web
      additional_contexts:
        - shared=./libraries/shared
        - app.image=docker-image://alpine:3.20
        - lib=https://git.example.org/lib.git#v1:src
        - base=service:my_base
  my_base: { build: base }
";

#[test]
fn contexts_are_folders_repositories_images_and_services() {
    let import = read_files(&[("compose.yaml", CONTEXTS)]);
    assert_eq!(import.errors, []);
    assert!(
        import.report.iter().all(|row| !row.at.contains("contexts")),
        "{:?}",
        import.report
    );
    let contexts = &import.spec.components["web"]
        .build
        .as_ref()
        .unwrap()
        .contexts;
    let shown: Vec<_> = contexts
        .iter()
        .map(|(name, context)| format!("{name}: {context}"))
        .collect();
    assert_eq!(
        shown,
        [
            "shared: libraries/shared",
            "app.image: docker-image://docker.io/library/alpine:3.20",
            "lib: https://git.example.org/lib.git#v1:src",
            "base: component:my-base",
        ]
    );
}

#[test]
fn contexts_and_keys_are_exported_and_come_back() {
    let text = CONTEXTS.replace("context: web", "context: web\n      ssh: [default]");
    let import = read_text(&text);
    assert_eq!(import.errors, []);
    let (written, rows) = export::write(&import.spec);
    assert!(rows.is_empty(), "{rows:?}");
    assert_eq!(read_text(&written).spec, import.spec);
    // Where somebody changed it, its services say the same.
    let plain = written.split("x-pluvio").next().unwrap();
    assert!(plain.contains("service:my-base"), "{plain}");
    let again = read_text(plain);
    let build = |import: &Import| import.spec.components["web"].build.clone();
    assert_eq!(build(&again), build(&import));
}

#[test]
fn contexts_of_a_file_elsewhere_begin_at_its_folder() {
    let import = read_files(&[
        (
            "compose.yaml",
            "services: { web: { extends: { file: other/base.yaml, service: web } } }\n",
        ),
        (
            "other/base.yaml",
            "services: { web: { build: { context: ., ssh: ['default=./key'], additional_contexts: { a: ./a, b: ../b, c: 'docker-image://c:1' } } } }\n",
        ),
        ("other/key", KEY),
    ]);
    assert_eq!(import.errors, []);
    let build = import.spec.components["web"].build.as_ref().unwrap();
    let folders: Vec<_> = build.contexts.values().map(ToString::to_string).collect();
    assert_eq!(
        folders,
        ["other/a", "b", "docker-image://docker.io/library/c:1"]
    );
    assert_eq!(import.secrets["BUILD_SSH_KEY"], KEY);
}

#[test]
fn a_context_that_is_not_at_hand_is_told() {
    let import = read_text(
        "
services:
  web:
    build:
      context: .
      additional_contexts: { above: ../above, none: 'service:none', image: 'docker-image://A B', layout: 'oci-layout://a', empty: }
  api:
    build:
      context: https://git.example.org/api.git
      additional_contexts: { beside: ./beside }
",
    );
    assert_eq!(import.above, 1);
    let at = |end: &str| format!("services.web.build.additional_contexts.{end}");
    let mut errors: Vec<_> = import
        .errors
        .iter()
        .map(|problem| problem.at.clone().unwrap_or_default().path)
        .collect();
    errors.sort();
    assert_eq!(errors, [at("above"), at("image"), at("none")]);
    let refused = import.report.iter();
    let refused = refused.filter(|row| row.outcome == Outcome::Refused);
    let refused: Vec<_> = refused.map(|row| row.at.clone()).collect();
    assert_eq!(
        refused,
        [
            at("layout"),
            at("empty"),
            at("beside").replace(".web.", ".api.")
        ]
    );
}

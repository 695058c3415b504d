//! What is asked of every reader for any bytes at all: `fuzz/` gives them bytes that it learned, `corpus.rs` the kept ones.
//!
//! Reading must end, quickly, and panic never; what was read without an error must be valid, and come back when it is
//! written and read again.

use pluvio_formats::compose::{self, Import, Nothing, Project};
use pluvio_formats::{app, caprover, docker_run, dokploy, dotenv, heroku, yaml};

/// Parts of one input.
const BETWEEN: &str = "\n%%\n";

/// Far below what readers take at most.
const LARGE: usize = 128 << 10;

pub(crate) type Target = fn(&[u8]);

pub(crate) const ALL: [(&str, Target); 10] = [
    ("compose", compose_file),
    ("app_yaml", app_yaml),
    ("docker_run", run_line),
    ("heroku", heroku_files),
    ("caprover", caprover_template),
    ("dokploy", dokploy_template),
    ("dotenv", dotenv_file),
    ("yaml", yaml_text),
    ("interpolation", interpolation),
    ("export", export),
];

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn parts(text: &str) -> (&str, Option<&str>) {
    match text.split_once(BETWEEN) {
        Some((first, second)) => (first, Some(second)),
        None => (text, None),
    }
}

/// What holds of everything that was read.
fn sound(import: &Import) {
    if import.errors.is_empty() {
        assert_eq!(
            pluvio_formats::validate(&import.spec),
            [],
            "what was read is not valid"
        );
    }
    for problem in &import.errors {
        assert!(!problem.cause.is_empty() && !problem.remedy.is_empty());
    }
    for row in &import.report {
        assert!(!row.message.is_empty());
    }
}

fn project(text: &str) -> Project {
    Project {
        files: vec!["compose.yaml".to_owned()],
        text: Some(text.to_owned()),
        ..Project::default()
    }
}

/// A compose file, its dialects too.
pub(crate) fn compose_file(bytes: &[u8]) {
    sound(&compose::read(&project(&text(bytes)), &Nothing));
}

/// What was read is written and read again.
pub(crate) fn export(bytes: &[u8]) {
    let import = compose::read(&project(&text(bytes)), &Nothing);
    if !import.errors.is_empty() {
        return;
    }
    let (written, _) = compose::export::write(&import.spec);
    // Readers take no more than that.
    if written.len() > LARGE {
        return;
    }
    let again = compose::read(&project(&written), &Nothing);
    assert_eq!(again.errors, [], "{written}");
    assert_eq!(again.spec, import.spec, "{written}");
    let written = app::write(&import.spec);
    let again = app::read(&written, "app.yaml").expect("what was written is read");
    assert_eq!(again.spec, import.spec, "{written}");
}

pub(crate) fn app_yaml(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(reading) = app::read(&text, "app.yaml") {
        for problem in reading.place(pluvio_formats::validate(&reading.spec)) {
            assert!(!problem.cause.is_empty());
        }
        let written = app::write(&reading.spec);
        let again = app::read(&written, "app.yaml").expect("what was written is read");
        assert_eq!(again.spec, reading.spec, "{written}");
    }
}

pub(crate) fn run_line(bytes: &[u8]) {
    let text = text(bytes);
    docker_run::is_run(&text);
    sound(&docker_run::read_alone(&text, None, &[]));
}

/// A Procfile, an app.json and a heroku.yml.
pub(crate) fn heroku_files(bytes: &[u8]) {
    let text = text(bytes);
    let (procfile, rest) = parts(&text);
    let (app_json, manifest) = match rest.map(parts) {
        Some((app_json, manifest)) => (Some(app_json), manifest),
        None => (None, None),
    };
    heroku::procfile::is_procfile(procfile);
    if let Some(text) = app_json {
        heroku::is_app_json(text);
    }
    let files = heroku::Files {
        procfile: Some(procfile),
        app_json,
        manifest,
    };
    sound(&heroku::read(files, None, None, &[]));
}

pub(crate) fn caprover_template(bytes: &[u8]) {
    let text = text(bytes);
    caprover::is_template(&text);
    sound(&caprover::read(&text, "t.yml", None, None, &[], &Nothing));
}

/// A template.toml and a compose file.
pub(crate) fn dokploy_template(bytes: &[u8]) {
    let text = text(bytes);
    let (config, compose) = parts(&text);
    dokploy::is_template(config);
    dokploy::pasted(config);
    let template = dokploy::Template {
        compose: compose.unwrap_or("services: { web: { image: nginx, env_file: .env } }"),
        compose_file: "docker-compose.yml",
        config,
        config_file: "template.toml",
    };
    sound(&dokploy::read(template, None, None, &[], &Nothing));
}

pub(crate) fn dotenv_file(bytes: &[u8]) {
    let _ = dotenv::read(&text(bytes), ".env");
}

pub(crate) fn yaml_text(bytes: &[u8]) {
    let text = text(bytes);
    for compose in [false, true] {
        let limits = yaml::Limits {
            compose,
            ..yaml::Limits::default()
        };
        let _ = yaml::read(&text, &limits);
    }
}

/// Values with variables, of compose and of app.yaml.
pub(crate) fn interpolation(bytes: &[u8]) {
    let text = text(bytes);
    let _ = pluvio_model::interpolate::parse(&text);
    let quoted = serde_json::to_string(&text).expect("a text is JSON");
    let file = format!("services: {{ a: {{ image: a, environment: {{ V: {quoted}, W: 1 }} }} }}");
    sound(&compose::read(&project(&file), &Nothing));
}

//! Reference: codes, fields, schemas, completion, versions. None needs a server.

use clap::CommandFactory;
use pluvio_api::platform::VersionInfo;
use pluvio_model::problem::{self, CODES, Code};

use super::Done;
use crate::cli::Cli;
use crate::context::Context;

/// The pages of the codes, one file each: `docs/errors/CODE.md`.
#[derive(rust_embed::RustEmbed)]
#[folder = "../../docs/errors"]
#[include = "*.md"]
struct Pages;

pub(crate) fn page(code: &str) -> Option<String> {
    Pages::get(&format!("{code}.md")).map(|file| String::from_utf8_lossy(&file.data).into_owned())
}

pub(crate) fn explain(context: &Context, what: Option<&str>) -> Done {
    let Some(what) = what else {
        let rows: Vec<Vec<String>> = CODES
            .iter()
            .map(|c| vec![c.code.to_owned(), c.title.to_owned()])
            .collect();
        if context.out.json {
            context.out.document(&CODES.iter().map(|c| serde_json::json!({ "code": c.code, "status": c.status, "title": c.title })).collect::<Vec<_>>());
        } else {
            context.out.table(&["CODE", "WHAT"], &rows);
        }
        return Ok(());
    };
    if let Some(code) = Code::find(what) {
        let text = page(what).unwrap_or_else(|| format!("# {}\n", code.title));
        if context.out.json {
            context.out.document(&serde_json::json!({ "code": code.code, "status": code.status, "title": code.title, "page": text }));
        } else {
            context.out.line(text.trim_end());
        }
        return Ok(());
    }
    if let Some(field) = field(what) {
        if context.out.json {
            context.out.document(&field);
        } else {
            context.out.line(format!(
                "{what}\n\n{}",
                field["description"].as_str().unwrap_or("(no description)")
            ));
            for (name, part) in field["properties"].as_object().into_iter().flatten() {
                context.out.line(format!(
                    "  {name:<16} {}",
                    part["description"]
                        .as_str()
                        .unwrap_or_default()
                        .lines()
                        .next()
                        .unwrap_or_default()
                ));
            }
        }
        return Ok(());
    }
    Err(problem::NOT_FOUND.problem(
        format!("{what:?} is neither a code nor a field of app.yaml."),
        "`pluvio explain` lists the codes; fields are written as components.probes.ready.",
    ))
}

/// A field of the AppSpec's schema by its path; names of components and the like are skipped.
fn field(path: &str) -> Option<serde_json::Value> {
    let schema = pluvio_formats::schema::app();
    let mut here = schema.clone();
    for step in path.split('.') {
        here = resolve(&schema, &here);
        let found = here.get("properties").and_then(|p| p.get(step)).cloned();
        here = match found {
            Some(found) => found,
            None => {
                let inner = here
                    .get("additionalProperties")
                    .filter(|a| a.is_object())
                    .or_else(|| here.get("items"))?
                    .clone();
                let inner = resolve(&schema, &inner);
                inner.get("properties").and_then(|p| p.get(step)).cloned()?
            }
        };
    }
    let described = here.get("description").cloned();
    let mut out = resolve(&schema, &here);
    if let (Some(described), Some(object)) = (described, out.as_object_mut()) {
        object.insert("description".into(), described);
    }
    Some(out)
}

fn resolve(schema: &serde_json::Value, at: &serde_json::Value) -> serde_json::Value {
    let options = at
        .get("anyOf")
        .and_then(|a| a.as_array())
        .and_then(|a| a.iter().find(|o| o.get("$ref").is_some()));
    let reference = at
        .get("$ref")
        .or_else(|| options.and_then(|o| o.get("$ref")))
        .and_then(|r| r.as_str());
    match reference.and_then(|r| r.strip_prefix('#')) {
        Some(pointer) => schema.pointer(pointer).cloned().unwrap_or_default(),
        None => at.clone(),
    }
}

pub(crate) fn schema(context: &Context, what: &str) -> Done {
    if what != "app" {
        return Err(problem::NOT_FOUND.problem(
            format!("There is no schema {what:?}."),
            "`pluvio schema app` prints that of app.yaml.",
        ));
    }
    context.out.document(&pluvio_formats::schema::app());
    Ok(())
}

/// A script that completes commands and flags, from the command line's own definition.
pub(crate) fn completion(context: &Context, shell: &str) -> Done {
    let command = Cli::command();
    let names: Vec<&str> = command
        .get_subcommands()
        .filter(|c| !c.is_hide_set())
        .map(clap::Command::get_name)
        .collect();
    let flags: Vec<String> = command
        .get_arguments()
        .filter_map(|a| a.get_long().map(|l| format!("--{l}")))
        .collect();
    let (names, flags) = (names.join(" "), flags.join(" "));
    match shell {
        "bash" => context.out.line(format!(
            "_pluvio() {{\n  local cur=${{COMP_WORDS[COMP_CWORD]}}\n  case $cur in\n    -*) COMPREPLY=($(compgen -W \"{flags}\" -- \"$cur\")) ;;\n    *) if [ \"$COMP_CWORD\" -eq 1 ]; then COMPREPLY=($(compgen -W \"{names}\" -- \"$cur\")); else COMPREPLY=($(compgen -f -- \"$cur\")); fi ;;\n  esac\n}}\ncomplete -F _pluvio pluvio"
        )),
        "zsh" => context.out.line(format!("#compdef pluvio\n_pluvio() {{\n  if (( CURRENT == 2 )); then compadd {names}; elif [[ $PREFIX == -* ]]; then compadd -- {flags}; else _files; fi\n}}\ncompdef _pluvio pluvio")),
        "fish" => {
            context.out.line(format!("complete -c pluvio -n __fish_use_subcommand -a '{names}'"));
            for flag in flags.split(' ') {
                context.out.line(format!("complete -c pluvio -l {}", flag.trim_start_matches("--")));
            }
        }
        other => return Err(problem::REQUEST_INVALID.problem(format!("There is no completion for {other:?}."), "Choose bash, zsh or fish.")),
    }
    Ok(())
}

pub(crate) async fn version(context: &Context) -> Done {
    let server = match context.client() {
        Ok(client) => client
            .get::<VersionInfo>("/api/v1/version")
            .await
            .ok()
            .map(|v| v.version),
        Err(_) => None,
    };
    if context.out.json {
        context.out.document(
            &serde_json::json!({ "client": env!("CARGO_PKG_VERSION"), "server": server }),
        );
    } else {
        context.out.line(format!(
            "client {}\nserver {}",
            env!("CARGO_PKG_VERSION"),
            server.as_deref().unwrap_or("does not answer")
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_and_every_page_a_code() {
        for code in CODES {
            let text = page(code.code)
                .unwrap_or_else(|| panic!("docs/errors/{}.md is missing", code.code));
            assert!(
                text.starts_with("# "),
                "{} begins with its title",
                code.code
            );
            assert!(text.len() > 200, "{} says what to do", code.code);
        }
        for file in Pages::iter() {
            assert!(
                Code::find(file.trim_end_matches(".md")).is_some() || file == "README.md",
                "{file} has no code"
            );
        }
    }

    #[test]
    fn a_field_is_found_by_its_path() {
        assert!(field("components.probes.ready.period").is_some());
        assert!(field("components.nothing").is_none());
    }
}

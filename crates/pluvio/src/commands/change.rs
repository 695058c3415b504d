//! Changing what runs: restart, stop, start, delete, variables, secrets, rollback.

use std::io::Read;

use indexmap::IndexMap;
use pluvio_api::applications::{
    ApplicationDetail, ComponentPatch, RollbackRequest, SecretRow, SecretValueRequest,
};
use pluvio_model::operation::Operation;
use pluvio_model::problem::{self, Problem};

use super::{Done, confirm, pair, release_number};
use crate::context::{Context, escape};

impl Context {
    /// Asks for an operation and follows it.
    pub(crate) async fn operate(&self, verb: &str, body: &(impl serde::Serialize + Sync)) -> Done {
        let operation: Operation = self
            .client()?
            .post(&format!("{}/{verb}", self.app_path()?), body)
            .await?;
        let ended = self.finish(operation).await?;
        if self.out.json && !self.global.no_wait {
            self.out.document(&ended);
        }
        Ok(())
    }

    async fn patch(&self, component: Option<&str>, patch: &ComponentPatch) -> Done {
        let component = self.component(component).await?;
        let path = format!("{}/components/{}", self.app_path()?, escape(&component));
        let operation: Operation = self
            .client()?
            .call(http::Method::PATCH, &path, Some(patch))
            .await?;
        let ended = self.finish(operation).await?;
        if self.out.json && !self.global.no_wait {
            self.out.document(&ended);
        }
        Ok(())
    }

    /// The component meant: as named, else the only one.
    pub(crate) async fn component(&self, named: Option<&str>) -> Result<String, Problem> {
        if let Some(name) = named {
            return Ok(name.to_owned());
        }
        let app: ApplicationDetail = self.client()?.get(&self.app_path()?).await?;
        match app.components.as_slice() {
            [only] => Ok(only.name.clone()),
            many => {
                let names: Vec<&str> = many.iter().map(|c| c.name.as_str()).collect();
                Err(problem::REQUEST_INVALID.problem(
                    format!(
                        "{} has {} components: {}.",
                        app.summary.name,
                        many.len(),
                        names.join(", ")
                    ),
                    "Say which with --component.",
                ))
            }
        }
    }
}

pub(crate) async fn rollback(context: &Context, to: Option<&str>) -> Done {
    let to = to.map(release_number).transpose()?;
    context.operate("rollback", &RollbackRequest { to }).await
}

pub(crate) async fn delete(context: &Context, yes: bool) -> Done {
    let app = context.app_name()?;
    if !yes {
        confirm(
            &format!(
                "This deletes {app} with its instances, routes, images and history. Data volumes are kept and listed."
            ),
            &app,
            "--yes",
        )?;
    }
    let operation: Operation = context
        .client()?
        .delete(&format!("{}?confirm={}", context.app_path()?, escape(&app)))
        .await?;
    let ended = context.finish(operation).await?;
    if context.out.json && !context.global.no_wait {
        context.out.document(&ended);
    }
    Ok(())
}

pub(crate) async fn config_list(context: &Context) -> Done {
    let app: ApplicationDetail = context.client()?.get(&context.app_path()?).await?;
    if context.out.json {
        let map: IndexMap<&str, IndexMap<&str, &str>> = app
            .components
            .iter()
            .map(|c| {
                (
                    c.name.as_str(),
                    c.env
                        .iter()
                        .map(|e| (e.name.as_str(), e.value.as_str()))
                        .collect(),
                )
            })
            .collect();
        context.out.document(&map);
        return Ok(());
    }
    for component in &app.components {
        if app.components.len() > 1 {
            context.out.line(format!("# {}", component.name));
        }
        for row in &component.env {
            context.out.line(format!("{}={}", row.name, row.value));
        }
    }
    Ok(())
}

/// Prints the value alone, for scripts; of several components that of the first which has it, where they agree.
pub(crate) async fn config_get(context: &Context, name: &str, component: Option<&str>) -> Done {
    let app: ApplicationDetail = context.client()?.get(&context.app_path()?).await?;
    let mut values: Vec<(&str, &str)> = app
        .components
        .iter()
        .filter(|found| component.is_none_or(|name| found.name == name))
        .flat_map(|found| found.env.iter().map(move |row| (found.name.as_str(), row)))
        .filter(|(_, row)| row.name == name)
        .map(|(component, row)| (component, row.value.as_str()))
        .collect();
    let owners: Vec<&str> = values.iter().map(|(component, _)| *component).collect();
    let owners = owners.join(", ");
    values.dedup_by_key(|(_, value)| *value);
    match values.as_slice() {
        [(_, value)] if context.out.json => {
            context.out.document(&serde_json::json!({ name: value }))
        }
        [(_, value)] => context.out.line(value),
        [] => {
            return Err(problem::REQUEST_INVALID.problem(
                format!("There is no variable {name}."),
                "`pluvio config` lists them.",
            ));
        }
        _ => {
            return Err(problem::REQUEST_INVALID.problem(
                format!("{name} has different values in {owners}."),
                "Say which with --component.",
            ));
        }
    }
    Ok(())
}

pub(crate) async fn config_set(
    context: &Context,
    pairs: &[String],
    component: Option<&str>,
) -> Done {
    let env = pairs
        .iter()
        .map(|p| pair(p).map(|(k, v)| (k, Some(v))))
        .collect::<Result<_, _>>()?;
    context
        .patch(
            component,
            &ComponentPatch {
                env,
                ..ComponentPatch::default()
            },
        )
        .await
}

pub(crate) async fn config_unset(
    context: &Context,
    names: &[String],
    component: Option<&str>,
) -> Done {
    let env = names.iter().map(|n| (n.clone(), None)).collect();
    context
        .patch(
            component,
            &ComponentPatch {
                env,
                ..ComponentPatch::default()
            },
        )
        .await
}

pub(crate) async fn config_import(context: &Context, file: &std::path::Path) -> Done {
    let env = read_env_file(file)?
        .into_iter()
        // As in the file: a dollar there refers to nothing.
        .map(|(k, v)| (k, Some(v.replace('$', "$$"))))
        .collect();
    context
        .patch(
            None,
            &ComponentPatch {
                env,
                ..ComponentPatch::default()
            },
        )
        .await
}

pub(crate) fn read_env_file(file: &std::path::Path) -> Result<IndexMap<String, String>, Problem> {
    let text = std::fs::read_to_string(file).map_err(|e| {
        problem::SOURCE_MISSING.problem(
            format!("{} cannot be read: {e}.", file.display()),
            "Name a file in .env form.",
        )
    })?;
    let read = pluvio_formats::dotenv::read(&text, &file.display().to_string())
        .map_err(|mut problems| problems.swap_remove(0))?;
    Ok(read
        .into_iter()
        .map(|(name, value)| (name.to_string(), value))
        .collect())
}

pub(crate) async fn secret_list(context: &Context) -> Done {
    let rows: Vec<SecretRow> =
        super::apps::all(context, &format!("{}/secrets", context.app_path()?)).await?;
    if context.out.json {
        context.out.document(&rows);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|s| {
            vec![
                s.name.clone(),
                format!("v{}", s.version),
                if s.generated {
                    "generated".into()
                } else {
                    "set".into()
                },
                crate::output::ago(s.set_at),
            ]
        })
        .collect();
    context
        .out
        .table(&["NAME", "VERSION", "ORIGIN", "SET"], &rows);
    Ok(())
}

pub(crate) async fn secret_set(context: &Context, name: &str, value: Option<&str>) -> Done {
    let value = match value {
        Some(value) => value.to_owned(),
        None => read_stdin()?,
    };
    let path = format!("{}/secrets/{}", context.app_path()?, escape(name));
    let answer: serde_json::Value = context
        .client()?
        .call(
            http::Method::PUT,
            &path,
            Some(&SecretValueRequest {
                value,
                deploy: true,
            }),
        )
        .await?;
    if let Ok(operation) = serde_json::from_value::<Operation>(answer.clone()) {
        let ended = context.finish(operation).await?;
        if context.out.json && !context.global.no_wait {
            context.out.document(&ended);
        }
    } else if context.out.json {
        context.out.document(&answer);
    } else {
        context.out.line(format!(
            "{name} is set. It reaches the application with its next release."
        ));
    }
    Ok(())
}

pub(crate) async fn secret_remove(context: &Context, name: &str) -> Done {
    context
        .client()?
        .delete::<()>(&format!("{}/secrets/{}", context.app_path()?, escape(name)))
        .await?;
    if context.out.json {
        context
            .out
            .document(&serde_json::json!({ "removed": name }));
    }
    Ok(())
}

/// Stdin to its end, without the last line break: `echo value | pluvio secret set NAME`.
pub(crate) fn read_stdin() -> Result<String, Problem> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|e| {
        problem::REQUEST_INVALID.problem(
            format!("Stdin cannot be read: {e}."),
            "Pipe the value in as UTF-8 text.",
        )
    })?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

//! `apply`, `diff`, `export`: an application as a file says it.

use pluvio_api::applications::{DeployRequest, SpecDocument};
use pluvio_model::operation::Operation;
use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::AppSpec;

use super::Done;
use super::deploy::{refuse_errors, send_source};
use super::openings::send_mended;
use super::source::{name_source, plan_here, source_folder};
use crate::cli::ApplyArgs;
use crate::context::{Context, escape};
use crate::output::Tone;

pub(crate) async fn apply(context: &Context, args: &ApplyArgs) -> Done {
    let file = args.file.file.as_str();
    let named = name_source(file)?;
    let planned = plan_here(context, &named, None)?.ok_or_else(|| {
        problem::REQUEST_INVALID.problem("A Git address is not a file.", "Name an app.yaml.")
    })?;
    refuse_errors(&planned.errors)?;
    let upload = send_source(context, &planned, source_folder(&named, &planned)).await?;
    let path = format!(
        "{}/applications/{}/spec",
        context.environment_path(),
        escape(planned.spec.name.as_str())
    );
    let client = context.client()?;
    let mut spec = planned.spec;
    let ended = send_mended(context, &named, &mut spec, args.open_ports, async |spec| {
        let request = DeployRequest {
            spec: Some(serde_json::to_value(spec).expect("a spec serialises")),
            upload: upload.clone(),
            take_over: args.take_over,
            ..DeployRequest::default()
        };
        let operation: Operation = client
            .call(http::Method::PUT, &path, Some(&request))
            .await?;
        context.finish(operation).await
    })
    .await?;
    if context.out.json && !context.global.no_wait {
        context.out.document(&ended);
    }
    Ok(())
}

/// What applying a file would change, key by key. Exits 0 when nothing would.
pub(crate) async fn diff(context: &Context, file: &str) -> Done {
    let planned = plan_here(context, &name_source(file)?, None)?.ok_or_else(|| {
        problem::REQUEST_INVALID.problem("A Git address is not a file.", "Name an app.yaml.")
    })?;
    refuse_errors(&planned.errors)?;
    let path = format!(
        "{}/applications/{}/spec",
        context.environment_path(),
        escape(planned.spec.name.as_str())
    );
    let now: SpecDocument = context.client()?.get(&path).await?;
    let mut rows = Vec::new();
    compare(
        "",
        &now.spec,
        &serde_json::to_value(&planned.spec).expect("a spec serialises"),
        &mut rows,
    );
    if context.out.json {
        context.out.document(&rows);
        return Ok(());
    }
    if rows.is_empty() {
        context.out.line("Nothing would change.");
    }
    for row in rows {
        let show = |v: &serde_json::Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
        match (&row["before"], &row["after"]) {
            (serde_json::Value::Null, after) => context.out.line(context.out.paint(
                Tone::Good,
                format!("+ {}: {}", show(&row["at"]), show(after)),
            )),
            (before, serde_json::Value::Null) => context.out.line(context.out.paint(
                Tone::Bad,
                format!("- {}: {}", show(&row["at"]), show(before)),
            )),
            (before, after) => context.out.line(format!(
                "~ {}: {} → {}",
                show(&row["at"]),
                show(before),
                show(after)
            )),
        }
    }
    Ok(())
}

fn compare(
    at: &str,
    before: &serde_json::Value,
    after: &serde_json::Value,
    rows: &mut Vec<serde_json::Value>,
) {
    use serde_json::Value;
    if before == after {
        return;
    }
    if let (Value::Object(a), Value::Object(b)) = (before, after) {
        let mut keys: Vec<&String> = a.keys().collect();
        keys.extend(b.keys().filter(|k| !a.contains_key(*k)));
        for key in keys {
            let path = if at.is_empty() {
                key.clone()
            } else {
                format!("{at}.{key}")
            };
            compare(
                &path,
                a.get(key).unwrap_or(&Value::Null),
                b.get(key).unwrap_or(&Value::Null),
                rows,
            );
        }
        return;
    }
    rows.push(serde_json::json!({ "at": at, "before": before, "after": after }));
}

pub(crate) async fn export(context: &Context, to: &str) -> Done {
    let document: SpecDocument = context
        .client()?
        .get(&format!("{}/spec", context.app_path()?))
        .await?;
    let spec = || -> Result<AppSpec, Problem> {
        serde_json::from_value(document.spec.clone()).map_err(|e| {
            problem::INTERNAL.problem(
                format!("The specification cannot be read: {e}."),
                "Client and server may differ in version.",
            )
        })
    };
    match to {
        "app" if context.out.json => context.out.document(&document.spec),
        "app" => context.out.line(document.yaml.trim_end()),
        "compose" => {
            let (text, rows) = pluvio_formats::compose::export::write(&spec()?);
            if context.out.json {
                context
                    .out
                    .document(&serde_json::json!({ "compose": text, "report": rows }));
                return Ok(());
            }
            for row in rows {
                context.out.say(format!("! {}: {}", row.at, row.message));
            }
            context.out.line(text.trim_end());
        }
        "kubernetes" => return super::plan::kubernetes_of(context, spec()?),
        other => {
            return Err(problem::REQUEST_INVALID.problem(
                format!("There is no form {other:?}."),
                "Write --to app, --to compose or --to kubernetes.",
            ));
        }
    }
    Ok(())
}

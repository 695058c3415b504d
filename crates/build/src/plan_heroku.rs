//! Folders with Heroku's files: a Procfile of several processes, an app.json.

use pluvio_formats::heroku;
use pluvio_model::name::Name;
use pluvio_model::spec::SourceSpec;

use crate::detect::{self, SourceTree};
use crate::plan_compose;
use crate::plan_source::{Planned, fill};

/// Heroku's files in a folder. A Procfile with a web process alone is that component's command.
pub(crate) fn files(tree: &SourceTree) -> Option<heroku::Files<'_>> {
    let procfile = tree.text(heroku::PROCFILE);
    let app_json = tree
        .text(heroku::APP_JSON)
        .filter(|text| heroku::is_app_json(text));
    let processes = procfile.map(heroku::procfile::names).unwrap_or_default();
    let several = processes.iter().any(|name| name != "web");
    (app_json.is_some() || several).then_some(heroku::Files { procfile, app_json })
}

/// Plans a folder with Heroku's files: what they leave open is filled in by what the source is.
pub(crate) fn of_tree(
    tree: &SourceTree,
    files: heroku::Files,
    name: &Name,
    given: &[(String, String)],
) -> Planned {
    let mut planned = plan_compose::planned("heroku", heroku::read(files, None, Some(name), given));
    if !planned.errors.is_empty() {
        return planned;
    }
    let web: Name = "web".parse().expect("a name");
    let first = planned
        .spec
        .components
        .iter()
        .position(|(_, component)| matches!(component.source, Some(SourceSpec::Path(_))));
    let at = planned.spec.components.get_index_of(&web).or(first);
    let Some((leading, component)) = at.and_then(|at| planned.spec.components.get_index(at)) else {
        return planned;
    };
    let leading = leading.clone();
    match detect::in_source(tree, component) {
        Ok(found) => {
            planned.detected.why.extend(found.why.iter().cloned());
            // What detection says of a Procfile is said above.
            let rows = found.report.iter();
            planned
                .report
                .extend(rows.filter(|row| !row.at.starts_with("Procfile")).cloned());
            for (name, component) in &mut planned.spec.components {
                if !matches!(component.source, Some(SourceSpec::Path(_))) {
                    continue;
                }
                let path = format!("components.{name}");
                let mut guess = found.clone();
                if *name != leading || leading != web {
                    // Only the web process listens.
                    guess.component.ports.clear();
                    guess.component.probes = None;
                    guess.component.command = None;
                }
                let rows = fill(&path, component, &guess, None);
                planned.report.extend(rows);
            }
        }
        Err(problem) => planned.errors.push(problem),
    }
    planned
}

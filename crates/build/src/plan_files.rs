//! Text files that somebody sent together: which of them says what the application is.

use std::path::Path;

use pluvio_formats::caprover;
use pluvio_formats::compose;
use pluvio_model::problem::Problem;

use crate::plan_compose::{self, Asked};
use crate::plan_source::{self, Planned};

/// Plans files that lie in a folder by themselves. `files`: their paths in it and their texts, in the order of whoever sent them.
pub fn of_files(
    folder: &Path,
    files: &[(String, String)],
    asked: &Asked,
) -> Result<Planned, Problem> {
    let told: Vec<&(String, String)> = files.iter().filter(|(path, _)| !is_dotenv(path)).collect();
    if let [(path, text)] = told.as_slice() {
        if caprover::is_template(text) {
            return Ok(plan_compose::of_caprover(text, path, Some(folder), asked));
        }
        if !plan_compose::is_compose(text) && files.len() == 1 {
            return Ok(plan_source::of_text(text, path, asked));
        }
    }
    // Compose finds its own by name; others are laid over each other as they come, but for those that another one names.
    let by_name = told
        .iter()
        .all(|(path, text)| !plan_compose::is_compose(text) || is_usual(path));
    let mut asked = asked.clone();
    if !by_name {
        asked.files = told
            .iter()
            .filter(|(path, text)| !path.contains('/') && plan_compose::is_compose(text))
            .filter(|(path, _)| {
                let named = |other: &&&(String, String)| other.0 != *path && names(&other.1, path);
                told.iter().find(named).is_none()
            })
            .map(|(path, _)| path.clone())
            .collect();
    }
    plan_source::of_folder_as(folder, &asked)
}

/// Whether a file holds values for others and says nothing by itself.
pub fn is_dotenv(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with(".env") || name.ends_with(".env")
}

/// Names that compose finds without being told, overrides included.
fn is_usual(path: &str) -> bool {
    compose::FILES.iter().any(|usual| {
        let (stem, end) = usual.rsplit_once('.').unwrap_or((usual, ""));
        path == *usual || path == format!("{stem}.override.{end}")
    })
}

/// Whether a text speaks of a file, as `include` and `extends` do.
fn names(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + path.len()..].chars().next();
        let outside = |c: Option<char>| {
            c.is_none_or(|c| c.is_whitespace() || matches!(c, '"' | '\'' | '/' | '[' | ']' | ','))
        };
        outside(before) && outside(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan_beside::Reach;

    fn planned(files: &[(&str, &str)], asked: Asked) -> Planned {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<(String, String)> = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect();
        for (path, text) in &files {
            let place = folder.path().join(path);
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::fs::write(place, text).unwrap();
        }
        let asked = Asked {
            reach: Reach::Folder,
            ..asked
        };
        of_files(folder.path(), &files, &asked).unwrap()
    }

    fn image(planned: &Planned, name: &str) -> String {
        let component = &planned.spec.components[name];
        component.image.as_ref().unwrap().to_string()
    }

    #[test]
    fn compose_files_are_laid_over_each_other_as_they_come() {
        let base = ("base.yml", "services: { web: { image: 'nginx:1' } }");
        let live = ("live.yml", "services: { web: { image: 'nginx:${TAG}' } }");
        let planned_ = planned(&[base, live, (".env", "TAG=2\n")], Asked::default());
        assert_eq!(planned_.detected.kind, "compose");
        assert!(image(&planned_, "web").ends_with("nginx:2"));
        let other = planned(&[live, base, (".env", "TAG=2\n")], Asked::default());
        assert!(image(&other, "web").ends_with("nginx:1"));
    }

    #[test]
    fn a_file_that_another_includes_is_not_laid_over_it() {
        let files = [
            (
                "all.yml",
                "include: [db.yml]\nservices: { web: { image: 'nginx:1' } }",
            ),
            ("db.yml", "services: { db: { image: 'redis:8' } }"),
        ];
        let planned = planned(&files, Asked::default());
        assert_eq!(planned.errors, []);
        let names: Vec<&str> = planned.spec.components.keys().map(|n| n.as_str()).collect();
        assert_eq!(names.len(), 2, "{names:?}");
    }

    #[test]
    fn a_required_variable_is_offered_and_taken() {
        let file = (
            "compose.yaml",
            "services: { web: { image: 'nginx:1', environment: { A: '${A:?how}' } } }",
        );
        let without = planned(&[file], Asked::default());
        let fix = &without.errors[0].fixes[0];
        let asks = pluvio_model::problem::Fix::SetVariable {
            name: "A".into(),
            message: Some("how".into()),
        };
        assert_eq!(fix, &asks);
        let asked = Asked {
            variables: vec![("A".into(), "so".into())],
            ..Asked::default()
        };
        assert_eq!(planned(&[file], asked).errors, []);
    }
}

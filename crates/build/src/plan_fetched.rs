//! Plans of what was fetched: a repository or an archive, of which a folder may say what the application is, and all of it
//! may be built from.

use std::path::Path;

use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::{BuildContext, GitSource, SourceSpec};

use crate::fetch::{Fetched, sub_folder};
use crate::plan_beside::{Reach, inside, real};
use crate::plan_compose::Asked;
use crate::plan_source::{self, Planned};

/// Plans a folder of a source, of which all may be read and nothing else.
pub fn of_part(whole: &Path, folder: &Path, asked: &Asked) -> Result<Planned, Problem> {
    let asked = Asked {
        reach: Reach::Source(whole.to_owned()),
        ..asked.clone()
    };
    plan_source::of_folder_as(folder, &asked)
}

/// Plans a repository at the folder that `git` names: what is built comes from the repository.
pub fn of_repository(
    fetched: &Fetched,
    git: &GitSource,
    asked: &Asked,
) -> Result<Planned, Problem> {
    let mut planned = of_part(&fetched.whole, &fetched.folder, asked)?;
    let base = match &planned.root {
        Some(root) => inside(&real(&fetched.whole), root),
        // As it was asked for: a link on the way may lead elsewhere with the next commit.
        None => git.path.clone().unwrap_or_default(),
    };
    each_path(&mut planned, &base, |path| {
        SourceSpec::Git(GitSource {
            path: joined(&base, path),
            ..git.clone()
        })
    });
    Ok(planned)
}

/// Plans an unpacked upload at a folder in it: what is built comes from the upload.
pub fn of_upload(
    whole: &Path,
    path: Option<&str>,
    upload: &str,
    asked: &Asked,
) -> Result<Planned, Problem> {
    let folder = folder_of(whole, path)?;
    let mut planned = of_part(whole, &folder, asked)?;
    // An upload stays as it is: what a link leads to is named itself, since a build follows none.
    let root = planned.root.clone().unwrap_or_else(|| real(&folder));
    let base = inside(&real(whole), &root);
    // The deploy names the upload; the specification says which folder of it.
    each_path(&mut planned, &base, |path| match joined(&base, path) {
        Some(path) => SourceSpec::Path(path),
        None => SourceSpec::Upload(upload.to_owned()),
    });
    Ok(planned)
}

/// The folder of an unpacked archive that a path names.
pub fn folder_of(whole: &Path, path: Option<&str>) -> Result<std::path::PathBuf, Problem> {
    let Some(path) = path else {
        return Ok(whole.to_owned());
    };
    sub_folder(whole, path).ok_or_else(|| {
        problem::SOURCE_MISSING.problem(
            format!("The archive has no folder {path}."),
            "Name a folder in it, from its root. Where an archive holds one folder and nothing else, its root is that folder.",
        )
    })
}

/// `None` for all of the source.
fn joined(base: &str, path: &str) -> Option<String> {
    let parts = base.split('/').chain(path.split('/'));
    let parts: Vec<&str> = parts.filter(|part| !matches!(*part, "" | ".")).collect();
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// What is built from below `base`, from all of the source.
fn each_path(planned: &mut Planned, base: &str, source: impl Fn(&str) -> SourceSpec) {
    for component in planned.spec.components.values_mut() {
        let Some(SourceSpec::Path(path)) = &component.source else {
            continue;
        };
        component.source = Some(source(path));
        let build = component.build.iter_mut();
        for context in build.flat_map(|build| build.contexts.values_mut()) {
            if let BuildContext::Folder(path) = context {
                *path = joined(base, path).unwrap_or_else(|| ".".to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use pluvio_model::revision::SourceRecord;

    use super::*;

    /// A source with a compose file in `deploy/docker`, in a folder with what is nobody's to read.
    struct Source {
        outer: tempfile::TempDir,
    }

    impl Source {
        fn new(compose: &str) -> Source {
            let outer = tempfile::tempdir().unwrap();
            let source = Source { outer };
            source.write("key", "PRIVATE=of-the-server\n");
            source.write("beside/Dockerfile", "FROM private\n");
            source.write("whole/deploy/docker/compose.yaml", compose);
            source.write("whole/deploy/docker/.env", "WHO=there\n");
            source.write("whole/api/Dockerfile", "FROM scratch\n");
            source.write("whole/deploy/tools/Dockerfile", "FROM scratch\n");
            source.write("whole/common.env", "SHARED=yes\n");
            source.write("whole/nginx.conf", "events {}\n");
            source
        }

        fn write(&self, path: &str, text: &str) {
            let place = self.outer.path().join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, text).unwrap();
        }

        fn whole(&self) -> PathBuf {
            self.outer.path().join("whole")
        }

        fn repository(&self, path: &str) -> Planned {
            let mut fetched = Fetched::of_folder(self.whole(), SourceRecord::default());
            fetched.folder = sub_folder(&self.whole(), path).unwrap();
            let git = GitSource {
                path: Some(path.to_owned()),
                ..GitSource::of("https://git.example.org/shop.git#main")
            };
            of_repository(&fetched, &git, &Asked::default()).unwrap()
        }

        fn upload(&self, path: &str) -> Planned {
            of_upload(&self.whole(), Some(path), "abc", &Asked::default()).unwrap()
        }
    }

    const COMPOSE: &str = "
services:
  web:
    build: { context: ../.., dockerfile: deploy/tools/Dockerfile }
    env_file: [../../common.env]
    environment: { WHO: $WHO }
    volumes: ['../../nginx.conf:/etc/nginx.conf:ro']
  api: { build: ../../api }
  tools: { build: { context: ../tools } }
";

    fn git_path(planned: &Planned, component: &str) -> Option<String> {
        match &planned.spec.components[component].source {
            Some(SourceSpec::Git(git)) => {
                assert_eq!(git.reference.as_deref(), Some("main"));
                git.path.clone()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_folder_of_a_repository_is_built_from_all_of_it() {
        let planned = Source::new(COMPOSE).repository("deploy/docker/");
        assert_eq!(planned.errors, []);
        assert_eq!(git_path(&planned, "web"), None);
        assert_eq!(git_path(&planned, "api").as_deref(), Some("api"));
        assert_eq!(git_path(&planned, "tools").as_deref(), Some("deploy/tools"));
        let web = &planned.spec.components["web"];
        let build = web.build.as_ref().unwrap();
        assert_eq!(build.dockerfile.as_deref(), Some("deploy/tools/Dockerfile"));
        assert_eq!(web.env["SHARED"].0, "yes");
        assert_eq!(web.files.values().next().unwrap().content, "events {}\n");
        let who = &planned.spec.settings["WHO"];
        assert_eq!(who.default.as_deref(), Some("there"));
        // Nothing tells where the server keeps it.
        let said = planned.detected.why.join(" ");
        assert!(said.contains("all that was given"), "{said}");
        assert!(!said.contains("/whole"), "{said}");
    }

    #[test]
    fn no_further_up_than_is_built_from() {
        let compose = "services: { tools: { build: ../tools }, here: { build: . } }";
        let source = Source::new(compose);
        source.write("whole/deploy/docker/Dockerfile", "FROM scratch\n");
        let planned = source.repository("deploy/docker");
        assert_eq!(planned.errors, []);
        assert_eq!(git_path(&planned, "tools").as_deref(), Some("deploy/tools"));
        assert_eq!(git_path(&planned, "here").as_deref(), Some("deploy/docker"));
        assert!(
            planned
                .detected
                .why
                .join(" ")
                .contains("the folder deploy.")
        );
    }

    #[test]
    fn a_folder_of_an_upload_is_built_from_all_of_it() {
        let planned = Source::new(COMPOSE).upload("/deploy/docker");
        assert_eq!(planned.errors, []);
        let source = |name: &str| planned.spec.components[name].source.clone().unwrap();
        assert_eq!(source("web"), SourceSpec::Upload("abc".to_owned()));
        assert_eq!(source("api"), SourceSpec::Path("api".to_owned()));
        assert_eq!(source("tools"), SourceSpec::Path("deploy/tools".to_owned()));
        assert_eq!(
            pluvio_formats::validate(&planned.spec).len(),
            1,
            "`abc` is no hash"
        );
    }

    #[test]
    fn where_nothing_above_is_asked_for_the_folder_is_the_source() {
        let source = Source::new("services: { web: { build: . } }");
        source.write("whole/deploy/docker/Dockerfile", "FROM scratch\n");
        assert_eq!(
            git_path(&source.repository("deploy/docker"), "web").as_deref(),
            Some("deploy/docker")
        );
        let planned = source.upload("deploy/docker");
        let web = planned.spec.components["web"].source.clone();
        assert_eq!(web, Some(SourceSpec::Path("deploy/docker".to_owned())));
    }

    #[test]
    fn contexts_begin_at_the_root_of_the_source() {
        let contexts = |planned: &Planned| {
            let build = planned.spec.components["web"].build.as_ref().unwrap();
            let contexts = build.contexts.values().map(ToString::to_string);
            contexts.collect::<Vec<_>>()
        };
        let source = Source::new(
            "services: { web: { build: { context: ../../api, additional_contexts: { a: ../tools, b: 'docker-image://b:1' } } } }",
        );
        let want = ["deploy/tools", "docker-image://docker.io/library/b:1"];
        assert_eq!(contexts(&source.repository("deploy/docker")), want);
        assert_eq!(contexts(&source.upload("deploy/docker")), want);
        let below = Source::new(
            "services: { web: { build: { context: ., additional_contexts: { a: ./a, b: . } } } }",
        );
        let want = ["deploy/docker/a", "deploy/docker"];
        assert_eq!(contexts(&below.repository("deploy/docker")), want);
        assert_eq!(contexts(&below.upload("deploy/docker")), want);
    }

    /// Nothing of what lies beside the source may show in a plan.
    fn leads_nowhere(planned: &Planned) {
        let spec = serde_json::to_string(&planned).unwrap();
        let secrets = format!("{:?}", planned.secrets);
        for text in [spec, secrets] {
            assert!(!text.contains("of-the-server"), "{text}");
            assert!(!text.contains("FROM private"), "{text}");
        }
    }

    #[test]
    fn nothing_leads_out_of_the_source() {
        for (compose, wrong) in [
            ("services: { web: { build: ../../.. } }", true),
            ("services: { web: { build: ../../../beside } }", true),
            (
                "services: { web: { build: ../../../../../../../../../../../etc } }",
                true,
            ),
            ("services: { web: { build: /etc } }", true),
            ("services: { web: { build: ../../out } }", true),
            ("services: { web: { build: ../../out/../beside } }", true),
            (
                "services: { web: { build: { context: ../.., dockerfile: ../beside/Dockerfile } } }",
                true,
            ),
            (
                "services: { web: { build: { context: ../.., dockerfile: out/beside/Dockerfile } } }",
                true,
            ),
            (
                "services: { web: { build: { context: ../../api, dockerfile: ../../beside/Dockerfile } } }",
                true,
            ),
            (
                "services: { web: { image: a, env_file: ../../../key } }",
                true,
            ),
            (
                "services: { web: { image: a, env_file: ../../out/key } }",
                true,
            ),
            ("services: { web: { image: a, env_file: key-link } }", true),
            (
                "include: [../../../evil.yaml]\nservices: { web: { image: a } }",
                true,
            ),
            (
                "services: { web: { extends: { file: ../../../evil.yaml, service: a } } }",
                true,
            ),
            (
                "services: { web: { image: a, volumes: ['../../../key:/key'] } }",
                false,
            ),
            (
                "services: { web: { image: a, volumes: ['../../out/key:/key', './key-link:/k'] } }",
                false,
            ),
            (
                "services: { web: { image: a, secrets: [s] } }\nsecrets: { s: { file: ../../../key } }",
                false,
            ),
            (
                "services: { web: { image: a, configs: [s] } }\nconfigs: { s: { file: ../../out/key } }",
                true,
            ),
        ] {
            let source = Source::new(compose);
            source.write("evil.yaml", "services: { a: { image: 'of-the-server' } }\n");
            symlink("..", source.whole().join("out")).unwrap();
            symlink(
                "../../../key",
                source.whole().join("deploy/docker/key-link"),
            )
            .unwrap();
            for planned in [
                source.repository("deploy/docker"),
                source.upload("deploy/docker"),
            ] {
                leads_nowhere(&planned);
                assert_eq!(
                    !planned.errors.is_empty(),
                    wrong,
                    "{compose}: {:?}",
                    planned.errors
                );
            }
        }
    }

    #[test]
    fn folders_that_lead_out_are_none() {
        let source = Source::new(COMPOSE);
        symlink("..", source.whole().join("out")).unwrap();
        symlink("deploy/docker", source.whole().join("in")).unwrap();
        for path in [
            "..",
            "out",
            "out/beside",
            "deploy/../..",
            "../beside",
            "none",
        ] {
            let refused = folder_of(&source.whole(), Some(path)).unwrap_err();
            assert!(refused.is(problem::SOURCE_MISSING), "{path}: {refused:?}");
        }
        // A link inside of it is a folder like any other.
        let planned = source.repository("in");
        assert_eq!(planned.errors, []);
        assert_eq!(git_path(&planned, "api").as_deref(), Some("api"));
    }
}

//! What is not built, each with a way out.

use expect_test::expect;
use pluvio_build::detect::{self, SourceTree};
use pluvio_build::plan::BuildPlan;
use pluvio_model::spec::{ComponentSpec, SourceSpec};

use super::check;

#[test]
fn other_languages_are_named_with_a_way_out() {
    for (file, language) in [
        ("composer.json", "PHP"),
        ("pom.xml", "Java"),
        ("Cargo.toml", "Rust"),
        ("Gemfile", "Ruby"),
        ("mix.exs", "Elixir"),
        ("deno.json", "Deno"),
        ("Shop.csproj", ".NET"),
    ] {
        let tree = SourceTree::from_texts([(file, ""), ("package.json", "{}")]);
        let problem = detect::component(&tree, ".", &ComponentSpec::default()).unwrap_err();
        assert_eq!(problem.code, "source.unknown", "{file}");
        assert!(problem.cause.contains(language), "{}", problem.cause);
        assert!(problem.remedy.contains("Dockerfile"));
    }
}

#[test]
fn a_folder_of_projects_says_which() {
    check(
        &[
            ("README.md", ""),
            ("web/package.json", "{}"),
            ("web/vendor/package.json", "{}"),
            ("services/api/go.mod", ""),
            ("services/job/requirements.txt", ""),
            ("legacy/pom.xml", ""),
        ],
        expect![[r#"
            source.unknown
                The folder itself holds no application, but folders in it do: legacy (Java), web (Node.js), services/api (Go), services/job (Python).
                Name one: `pluvio deploy web`, or a component for each in app.yaml with `source: { path: web }`.
        "#]],
    );
    check(
        &[
            ("docker-compose.yml", "services: {}"),
            ("web/index.html", ""),
        ],
        expect![[r#"
            source.unknown
                docker-compose.yml is a compose file, and nothing else in the folder can be built.
                Whole applications from compose files come later. Until then, deploy one folder: `pluvio deploy web`, or name each in app.yaml with `source: { path: FOLDER }`.
        "#]],
    );
    check(
        &[("compose.yaml", "services: {}")],
        expect![[r#"
        source.unknown
            compose.yaml is a compose file, and nothing else in the folder can be built.
            Whole applications from compose files come later. Until then, write app.yaml: each service is a component, with `image` or `source`.
    "#]],
    );
    check(
        &[("notes.txt", ""), ("data/x.csv", "")],
        expect![[r#"
        source.unknown
            Nothing tells how to build this folder. It holds notes.txt, data.
            Add a Dockerfile, or one of package.json (Node.js), requirements.txt or pyproject.toml (Python), go.mod (Go), index.html (static).
    "#]],
    );
    check(
        &[],
        expect![[r#"
        source.missing
            The folder holds no files.
            Name a folder with an application in it.
    "#]],
    );
}

#[test]
fn a_component_in_a_folder_is_planned_there() {
    let tree = SourceTree::from_texts([("web/index.html", ""), ("api/package.json", "oops")]);
    let asked = |folder: &str| ComponentSpec {
        source: Some(SourceSpec::Path(folder.into())),
        ..ComponentSpec::default()
    };
    let found = detect::in_source(&tree, &asked("./web/")).unwrap();
    let BuildPlan::Steps(plan) = found.build else {
        panic!("steps")
    };
    assert_eq!(plan.root, "web");
    assert_eq!(
        detect::in_source(&tree, &asked("nowhere"))
            .unwrap_err()
            .code,
        "source.missing"
    );
}

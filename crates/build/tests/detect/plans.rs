//! What holds of every plan.

use pluvio_build::detect::{self, SourceTree};
use pluvio_build::plan::BuildPlan;
use pluvio_model::spec::ComponentSpec;

/// A specification that detection filled in is what a later build asks with; it must not change the build.
#[test]
fn what_was_filled_in_gives_the_same_plan() {
    for files in [
        &[
            ("requirements.txt", "flask\n"),
            ("app.py", "app = Flask(__name__)\n'/healthz'\n"),
        ][..],
        &[
            ("requirements.txt", "fastapi\n"),
            ("main.py", "app = FastAPI()\n"),
        ],
        &[
            (
                "package.json",
                r#"{"scripts": {"build": "b", "start": "node s.js"}, "devDependencies": {"b": "1"}}"#,
            ),
            ("s.js", "s.listen(3000)"),
        ],
        &[(
            "package.json",
            r#"{"scripts": {"build": "vite build"}, "devDependencies": {"vite": "7"}}"#,
        )],
        &[
            ("go.mod", "module x\n"),
            (
                "main.go",
                "package main\nfunc main() { http.ListenAndServe(\":9000\", nil) }\n",
            ),
        ],
        &[("index.html", "")],
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            ("requirements.txt", "flask\n"),
            ("app.py", ""),
        ],
    ] {
        let tree = SourceTree::from_texts(files.iter().copied());
        let first = detect::component(&tree, ".", &ComponentSpec::default()).unwrap();
        let again = detect::component(&tree, ".", &first.component).unwrap();
        assert_eq!(first.build, again.build);
        assert_eq!(first.kind, again.kind);
    }
}

#[test]
fn the_same_tree_gives_the_same_plan_and_keys_move_with_their_inputs() {
    let files = [
        (
            "package.json",
            r#"{"scripts": {"build": "x"}, "dependencies": {"a": "1"}}"#,
        ),
        ("package-lock.json", "{}"),
        ("server.js", "listen"),
    ];
    let tree = SourceTree::from_texts(files);
    let plan = || match detect::component(&tree, ".", &ComponentSpec::default())
        .unwrap()
        .build
    {
        BuildPlan::Steps(plan) => plan,
        BuildPlan::Dockerfile(_) => panic!("steps"),
    };
    assert_eq!(plan(), plan());
    let keys = |changed: &str| {
        let paths: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
        plan().keys("sha256:base", &paths, |path| {
            if path == changed {
                "new".into()
            } else {
                path.to_owned()
            }
        })
    };
    let before = keys("");
    assert_eq!(
        before["dependencies"],
        keys("server.js")["dependencies"],
        "source does not install packages again"
    );
    assert_ne!(before["build"], keys("server.js")["build"]);
    assert_ne!(
        before["dependencies"],
        keys("package-lock.json")["dependencies"]
    );
    assert_ne!(before["build"], keys("package-lock.json")["build"]);
    assert_ne!(
        before["build"],
        plan().keys("sha256:other", &["server.js"], str::to_owned)["build"]
    );
}

mod anything {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Manifests and programs of any text: a plan or a problem, never a panic, and every plan is one that can be followed.
        #[test]
        fn is_planned_or_refused(
            files in proptest::collection::vec(
                (prop_oneof![
                    Just("package.json"), Just("pyproject.toml"), Just("requirements.txt"), Just("go.mod"), Just("main.go"), Just("app.py"),
                    Just("Dockerfile"), Just("Procfile"), Just("index.html"), Just("server.js"), Just("Pipfile"), Just("cmd/x/main.go"), Just(".nvmrc"),
                    Just("manage.py"), Just("angular.json"), Just("yarn.lock"),
                ], prop_oneof![
                    ".{0,40}",
                    Just("{}".to_owned()),
                    Just("{\"scripts\":{\"build\":\"b\",\"start\":\"s\"},\"dependencies\":{\"next\":\"1\"},\"devDependencies\":[]}".to_owned()),
                    Just("app = Flask(__name__)\nx = FastAPI(\n".to_owned()),
                    Just("package main\nfunc main() {}\n".to_owned()),
                    Just("FROM a AS b\nEXPOSE 1\n".to_owned()),
                ]),
                0..6,
            )
        ) {
            let tree = SourceTree::from_texts(files);
            match detect::component(&tree, ".", &ComponentSpec::default()) {
                Ok(found) => {
                    prop_assert!(!found.why.is_empty());
                    if let BuildPlan::Steps(plan) = found.build {
                        prop_assert!(!plan.outputs.is_empty());
                        prop_assert!(!plan.run.command.is_empty());
                        prop_assert!(plan.steps.is_empty() || plan.build_base.is_some());
                        for output in &plan.outputs {
                            if let Some(step) = &output.step {
                                let made = plan.steps.iter().find(|s| s.name == *step).expect("the step is there");
                                prop_assert!(made.produces.contains(&output.from));
                            }
                        }
                        for step in &plan.steps {
                            for earlier in &step.after {
                                prop_assert!(plan.steps.iter().any(|s| s.name == *earlier), "{} after {}", step.name, earlier);
                            }
                        }
                    }
                }
                Err(problem) => prop_assert!(!problem.remedy.is_empty()),
            }
        }
    }
}

//! Web frameworks: which one, and where its application object is.

use super::super::{SourceTree, texts};
use super::ENDINGS;
use super::project::Project;

/// A web framework and where its application is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Framework {
    Django {
        project: String,
    },
    /// `app:app` and the like, with the file and line it was found in.
    Wsgi {
        title: &'static str,
        target: String,
        place: String,
    },
    Asgi {
        title: &'static str,
        target: String,
        place: String,
    },
    Streamlit {
        file: String,
    },
}

/// A server that the platform adds, so that no program runs its development server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    Gunicorn,
    Uvicorn,
    /// Brings its own.
    Own,
}

impl Framework {
    pub(super) fn find(tree: &SourceTree, project: &Project) -> Option<Framework> {
        if tree.has("manage.py") {
            let settings = tree
                .paths()
                .find(|path| path.ends_with("/wsgi.py") && path.matches('/').count() == 1)
                .or_else(|| {
                    tree.paths().find(|path| {
                        path.ends_with("/settings.py") && path.matches('/').count() == 1
                    })
                });
            if let Some((name, _)) = settings.and_then(|path| path.split_once('/')) {
                return Some(Framework::Django {
                    project: name.to_owned(),
                });
            }
        }
        for (class, title, asgi) in [
            ("FastAPI(", "FastAPI", true),
            ("Starlette(", "Starlette", true),
            ("Litestar(", "Litestar", true),
            ("Quart(", "Quart", true),
            ("Sanic(", "Sanic", true),
            ("Flask(", "Flask", false),
            ("Bottle(", "Bottle", false),
            ("falcon.App(", "Falcon", false),
        ] {
            if let Some((target, place)) = application(tree, class) {
                return Some(if asgi {
                    Framework::Asgi {
                        title,
                        target,
                        place,
                    }
                } else {
                    Framework::Wsgi {
                        title,
                        target,
                        place,
                    }
                });
            }
        }
        if project.has("streamlit") {
            let file = tree.first(&["streamlit_app.py", "app.py", "main.py", "Home.py"])?;
            return Some(Framework::Streamlit {
                file: file.to_owned(),
            });
        }
        None
    }
}

/// Where an application object is made: `name = Class(` at the top of a file, or inside `def create_app(`.
fn application(tree: &SourceTree, class: &str) -> Option<(String, String)> {
    for (path, text) in texts::programs(tree, &ENDINGS) {
        let module = module_of(path);
        let mut factory: Option<(String, usize)> = None;
        for (index, line) in text.lines().enumerate() {
            if let Some(rest) = line.strip_prefix("def ") {
                let name = rest.split(['(', ':']).next().unwrap_or_default().trim();
                factory = matches!(
                    name,
                    "create_app" | "make_app" | "build_app" | "create_application"
                )
                .then(|| (name.to_owned(), index + 1));
            }
            let Some((name, value)) = line.split_once('=') else {
                continue;
            };
            if !value.trim_start().starts_with(class) {
                continue;
            }
            let name = name.split(':').next().unwrap_or(name).trim_end();
            let indented = name.starts_with([' ', '\t']);
            if !indented && is_identifier(name) {
                return Some((format!("{module}:{name}"), format!("{path}:{}", index + 1)));
            }
            if let Some((name, line)) = factory.as_ref().filter(|_| indented) {
                return Some((format!("{module}:{name}()"), format!("{path}:{line}")));
            }
        }
    }
    None
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// `src/shop/__init__.py` → `shop`.
fn module_of(path: &str) -> String {
    let path = path.strip_prefix("src/").unwrap_or(path);
    let path = path.strip_suffix(".py").unwrap_or(path);
    let path = path.strip_suffix("/__init__").unwrap_or(path);
    path.replace('/', ".")
}

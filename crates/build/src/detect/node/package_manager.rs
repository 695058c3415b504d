//! Which package manager, and how it installs: once for each lock file.

use super::super::{Context, Findings, SourceTree, env};
use super::Package;
use crate::plan::{BaseName, Cache, PRODUCTS, Step, WORKSPACE};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Npm,
    /// Classic Yarn, 1.x.
    Yarn,
    /// Yarn 2 and later.
    Berry,
    Pnpm,
}

pub(super) struct Manager {
    kind: Kind,
    lock: Option<&'static str>,
    /// The tool's version, for those that npm's runner fetches.
    version: String,
    /// Whether packages may be compiled on the way.
    compiles: bool,
    /// Whether installing depends on files besides manifest and lock.
    reads_source: bool,
    /// Whether packages land in more folders than one.
    spread: bool,
}

/// Packages that compile themselves, or often do.
const COMPILED: [&str; 12] = [
    "bcrypt",
    "better-sqlite3",
    "sqlite3",
    "canvas",
    "node-sass",
    "argon2",
    "bufferutil",
    "utf-8-validate",
    "re2",
    "node-gyp",
    "usb",
    "serialport",
];

impl Manager {
    pub(super) fn find(tree: &SourceTree, package: &Package, findings: &mut Findings) -> Manager {
        let named = package.text("packageManager").unwrap_or_default();
        let named_version = |tool: &str| {
            named
                .strip_prefix(tool)
                .and_then(|rest| rest.strip_prefix('@'))
                .map(|version| version.split('+').next().unwrap_or(version).to_owned())
        };
        let lock = tree.first(&[
            "pnpm-lock.yaml",
            "yarn.lock",
            "package-lock.json",
            "npm-shrinkwrap.json",
        ]);
        let kind = match lock {
            Some("pnpm-lock.yaml") => Kind::Pnpm,
            Some("yarn.lock") => {
                let berry = tree.has(".yarnrc.yml")
                    || tree
                        .text("yarn.lock")
                        .is_some_and(|text| text.contains("__metadata:"));
                if berry { Kind::Berry } else { Kind::Yarn }
            }
            Some(_) => Kind::Npm,
            None if named.starts_with("pnpm@") => Kind::Pnpm,
            None if named.starts_with("yarn@1.") => Kind::Yarn,
            None if named.starts_with("yarn@") => Kind::Berry,
            None => Kind::Npm,
        };
        let version = match kind {
            Kind::Npm => String::new(),
            Kind::Yarn => named_version("yarn").unwrap_or_else(|| "1.22.22".into()),
            Kind::Berry => named_version("yarn").unwrap_or_else(|| "4".into()),
            Kind::Pnpm => named_version("pnpm").unwrap_or_else(|| {
                let old = tree.text("pnpm-lock.yaml").is_some_and(|text| {
                    text.lines().next().is_some_and(|line| {
                        line.contains("'5.") || line.contains("5.") || line.contains("'6.")
                    })
                });
                if old { "8".into() } else { "9".into() }
            }),
        };
        let tool = match kind {
            Kind::Npm => "npm",
            Kind::Yarn | Kind::Berry => "yarn",
            Kind::Pnpm => "pnpm",
        };
        match lock {
            Some(lock) => findings.why(format!(
                "{lock}: packages are installed with {tool}, exactly these."
            )),
            None if package.names("dependencies").is_empty()
                && package.names("devDependencies").is_empty() => {}
            None => findings.why(format!(
                "There is no lock file: {tool} chooses the packages' versions at each install."
            )),
        }
        let lock_text = lock.and_then(|lock| tree.text(lock)).unwrap_or_default();
        let direct = |list| {
            package
                .names(list)
                .into_iter()
                .any(|name| COMPILED.contains(&name))
        };
        // A lock file that was too large to be read may name anything.
        let unread = lock.is_some_and(|lock| tree.text(lock).is_none());
        let compiles = unread
            || lock_text.contains("\"hasInstallScript\": true")
            || lock_text.contains("requiresBuild: true")
            || lock_text.contains("git+")
            || direct("dependencies")
            || direct("devDependencies");
        if compiles {
            findings
                .why("Some packages have install scripts: the build base with compilers is taken.");
        }
        let workspaces = package.workspaces() || tree.has("pnpm-workspace.yaml");
        let hooks = ["preinstall", "install", "postinstall", "prepare"]
            .iter()
            .filter_map(|name| package.script(name))
            // Sets up Git hooks, and needs nothing of the source.
            .any(|line| !line.starts_with("husky") && !line.contains("is-ci"));
        let local = ["dependencies", "devDependencies"].iter().any(|list| {
            package.json[list].as_object().is_some_and(|map| {
                map.values()
                    .filter_map(|value| value.as_str())
                    .any(|value| value.starts_with("file:") || value.starts_with("link:"))
            })
        });
        Manager {
            kind,
            lock,
            version,
            compiles,
            reads_source: hooks || local || workspaces,
            spread: workspaces,
        }
    }

    pub(super) fn base(&self) -> BaseName {
        if self.compiles {
            BaseName::NodeBuild
        } else {
            BaseName::Node
        }
    }

    fn inputs(&self) -> Vec<String> {
        if self.reads_source {
            return vec!["**".into()];
        }
        let mut inputs = vec!["package.json".to_owned()];
        inputs.extend(self.lock.map(str::to_owned));
        inputs.extend(
            [
                ".npmrc",
                ".yarnrc",
                ".yarnrc.yml",
                ".yarn/**",
                "patches/**",
                "prisma/**",
            ]
            .map(str::to_owned),
        );
        inputs
    }

    fn caches(&self) -> Vec<Cache> {
        let mut caches = vec![Cache {
            id: "npm".into(),
            path: "/cache/npm".into(),
        }];
        match self.kind {
            Kind::Npm => {}
            Kind::Yarn | Kind::Berry => caches.push(Cache {
                id: "yarn".into(),
                path: "/cache/yarn".into(),
            }),
            Kind::Pnpm => caches.push(Cache {
                id: "pnpm".into(),
                path: "/cache/pnpm".into(),
            }),
        }
        caches
    }

    fn env(&self, context: &Context) -> indexmap::IndexMap<pluvio_model::name::EnvName, String> {
        let mut all = env([
            ("npm_config_cache", "/cache/npm"),
            ("npm_config_update_notifier", "false"),
            ("npm_config_fund", "false"),
            ("npm_config_audit", "false"),
            ("HUSKY", "0"),
        ]);
        if self.compiles {
            // The base has the headers; nothing is fetched to compile.
            all.extend(env([("npm_package_config_node_gyp_nodedir", "/usr/local")]));
        }
        match self.kind {
            Kind::Npm => {}
            Kind::Yarn => all.extend(env([("YARN_CACHE_FOLDER", "/cache/yarn")])),
            Kind::Berry => all.extend(env([
                ("YARN_GLOBAL_FOLDER", "/cache/yarn"),
                ("YARN_ENABLE_GLOBAL_CACHE", "true"),
                ("YARN_NODE_LINKER", "node-modules"),
                ("YARN_ENABLE_TELEMETRY", "0"),
            ])),
            Kind::Pnpm => all.extend(env([
                ("CI", "true"),
                ("npm_config_store_dir", "/cache/pnpm"),
            ])),
        }
        all.extend(context.build_env());
        all
    }

    /// The step `dependencies`. With `only_run` what is needed to build only stays out.
    pub(super) fn install(&self, context: &Context, only_run: bool) -> Step {
        let locked = self.lock.is_some();
        let command = match self.kind {
            Kind::Npm => {
                let omit = if only_run {
                    " --omit=dev"
                } else {
                    " --include=dev"
                };
                match locked {
                    true => format!("npm ci --prefer-offline{omit}"),
                    false => format!("npm install --no-package-lock --prefer-offline{omit}"),
                }
            }
            Kind::Yarn => {
                let frozen = if locked { " --frozen-lockfile" } else { "" };
                let production = if only_run { "true" } else { "false" };
                format!(
                    "npx --yes yarn@{} install{frozen} --non-interactive --prefer-offline --production={production}",
                    self.version
                )
            }
            Kind::Berry => {
                let immutable = if locked { " --immutable" } else { "" };
                format!(
                    "npx --yes @yarnpkg/cli-dist@{} install{immutable}",
                    self.version
                )
            }
            Kind::Pnpm => {
                let frozen = if locked { " --frozen-lockfile" } else { "" };
                let only = if only_run { " --prod" } else { " --prod=false" };
                format!(
                    "npx --yes pnpm@{} install{frozen} --prefer-offline{only}",
                    self.version
                )
            }
        };
        Step {
            name: "dependencies".into(),
            command,
            inputs: self.inputs(),
            after: Vec::new(),
            // Packages in several folders are not kept by one; their install is quick with a warm cache.
            produces: if self.spread {
                Vec::new()
            } else {
                vec![format!("{WORKSPACE}/node_modules")]
            },
            env: self.env(context),
            caches: self.caches(),
            network: true,
        }
    }

    /// The step that leaves out what is needed to build only, in a copy. `None` where the manager has no such command.
    pub(super) fn prune(&self, context: &Context) -> Option<Step> {
        let folder = format!("{PRODUCTS}/packages");
        let prune = match self.kind {
            Kind::Npm => "npm prune --omit=dev --ignore-scripts".to_owned(),
            Kind::Yarn => format!(
                "npx --yes yarn@{} install --frozen-lockfile --non-interactive --prefer-offline --production=true --ignore-scripts",
                self.version
            ),
            Kind::Pnpm => format!(
                "npx --yes pnpm@{} prune --prod --ignore-scripts",
                self.version
            ),
            Kind::Berry => return None,
        };
        let files = format!("package.json {}", self.lock.unwrap_or_default());
        let files = files.trim_end();
        Some(Step {
            name: "packages to run".into(),
            command: format!(
                "rm -rf {folder} && mkdir -p {folder} && cp -a {files} node_modules {folder}/ && for file in .npmrc .yarnrc; do if [ -f $file ]; then cp $file {folder}/; fi; done && cd {folder} && {prune}"
            ),
            inputs: self.inputs(),
            after: vec!["dependencies".into()],
            produces: vec![format!("{folder}/node_modules")],
            env: self.env(context),
            caches: self.caches(),
            network: true,
        })
    }
}

//! What kind of program it is: pages that are built once, or a server that answers.

use pluvio_model::spec::BuilderChoice;

use super::super::{Context, Findings, SourceTree};
use super::Package;

/// A tool that turns source into files, and the folder they are in.
const PAGES: [(&str, &str, &str); 12] = [
    ("vite", "Vite", "dist"),
    ("react-scripts", "Create React App", "build"),
    ("@angular/cli", "Angular", "dist"),
    ("@vue/cli-service", "Vue CLI", "dist"),
    ("gatsby", "Gatsby", "public"),
    ("@docusaurus/core", "Docusaurus", "build"),
    ("vitepress", "VitePress", ".vitepress/dist"),
    ("@11ty/eleventy", "Eleventy", "_site"),
    ("astro", "Astro", "dist"),
    ("parcel", "Parcel", "dist"),
    ("@sveltejs/adapter-static", "SvelteKit", "build"),
    ("preact-cli", "Preact CLI", "build"),
];

/// Packages that answer requests: with one of them there is a server.
const SERVERS: [(&str, &str); 13] = [
    ("next", "Next.js"),
    ("nuxt", "Nuxt"),
    ("@nestjs/core", "NestJS"),
    ("@remix-run/serve", "Remix"),
    ("@react-router/serve", "React Router"),
    ("@sveltejs/adapter-node", "SvelteKit"),
    ("@astrojs/node", "Astro"),
    ("express", "Express"),
    ("fastify", "Fastify"),
    ("koa", "Koa"),
    ("@hapi/hapi", "hapi"),
    ("hono", "Hono"),
    ("polka", "Polka"),
];

/// The folder that is served, when this is a site that is built and needs no server of its own.
pub(super) fn pages(
    context: &Context,
    package: &Package,
    findings: &mut Findings,
) -> Option<String> {
    let tree = context.tree;
    let asked = context.build.output.clone();
    if context.asked.command.is_some()
        || tree
            .text("Procfile")
            .is_some_and(|text| text.contains("web:"))
    {
        return None;
    }
    if let Some(folder) = &asked {
        findings.why(format!(
            "`build: {{ output: {folder} }}`: what the build leaves there is served."
        ));
        return Some(folder.trim_matches('/').to_owned());
    }
    if package.has("next") && config(tree, "next.config").is_some_and(exports) {
        findings.why("next.config: the export is static; out is served.");
        return Some("out".into());
    }
    if context.build.builder == BuilderChoice::Node && package.script("build").is_none() {
        return None;
    }
    if SERVERS.iter().any(|(name, _)| package.has(name)) {
        return None;
    }
    // SvelteKit and others use Vite too; the more telling package wins.
    let (name, title, usual) = PAGES
        .iter()
        .rev()
        .find(|(name, ..)| package.has(name))
        .copied()?;
    package.script("build")?;
    let start = package.script("start").unwrap_or_default();
    if !start.is_empty() && !is_development(start) {
        findings.why(format!(
            "package.json: {title} builds it, and the start script is a server (`{start}`)."
        ));
        return None;
    }
    let (folder, from) = output(tree, package, name, usual);
    findings.why(format!(
        "package.json: {title} builds files ({from}: {folder}), and no server is started."
    ));
    Some(folder)
}

/// Whether a start script only serves while one develops.
fn is_development(line: &str) -> bool {
    let line = line.trim_start_matches("npx ");
    [
        "vite",
        "react-scripts start",
        "ng serve",
        "ng s",
        "vue-cli-service serve",
        "gatsby develop",
        "docusaurus start",
        "vitepress dev",
        "eleventy",
        "astro dev",
        "parcel",
        "npm run dev",
        "yarn dev",
        "pnpm dev",
        "webpack serve",
        "webpack-dev-server",
        "serve ",
    ]
    .iter()
    .any(|word| line.starts_with(word))
}

fn exports(text: &str) -> bool {
    text.contains("output: 'export'") || text.contains("output: \"export\"")
}

fn config<'t>(tree: &'t SourceTree, start: &str) -> Option<&'t str> {
    let path = tree.root().find(|path| {
        path.strip_prefix(start)
            .is_some_and(|rest| rest.starts_with('.'))
    })?;
    tree.text(path)
}

/// The folder of the files, and where that is known from.
fn output(tree: &SourceTree, package: &Package, name: &str, usual: &str) -> (String, &'static str) {
    if name == "vite"
        && let Some(folder) = config(tree, "vite.config").and_then(out_dir)
    {
        return (folder, "vite.config");
    }
    if name == "@angular/cli"
        && let Some(folder) = angular(tree, package)
    {
        return (folder, "angular.json");
    }
    (usual.to_owned(), "by its default")
}

/// `outDir: 'x'` with a plain text.
fn out_dir(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("outDir:")?;
    let rest = rest.trim_start();
    let quote = rest
        .chars()
        .next()
        .filter(|c| matches!(c, '\'' | '"' | '`'))?;
    let (folder, _) = rest[1..].split_once(quote)?;
    let folder = folder.trim_start_matches("./").trim_matches('/');
    (!folder.is_empty() && !folder.contains("..") && !folder.contains('$'))
        .then(|| folder.to_owned())
}

fn angular(tree: &SourceTree, package: &Package) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(tree.text("angular.json")?).ok()?;
    let (name, project) = json["projects"].as_object()?.iter().next()?;
    let build = &project["architect"]["build"];
    let path = &build["options"]["outputPath"];
    let base = path
        .as_str()
        .or_else(|| path["base"].as_str())
        .map(str::to_owned)
        .unwrap_or_else(|| format!("dist/{name}"));
    // The newer builder puts what browsers load into a folder of its own.
    let newer = build["builder"]
        .as_str()
        .is_some_and(|builder| builder.ends_with(":application"));
    let _ = package;
    Some(if newer {
        format!("{base}/browser")
    } else {
        base
    })
}

/// Names the server's framework.
pub(super) fn name(package: &Package, findings: &mut Findings) {
    if let Some((package, title)) = SERVERS.iter().find(|(name, _)| package.has(name)) {
        findings.why(format!("package.json: {package} is a dependency: {title}."));
    }
}

/// Frameworks that open the port themselves, so that no line of the source names it.
pub(super) fn port(package: &Package) -> Option<(&'static str, u16)> {
    [
        ("next", "Next.js"),
        ("nuxt", "Nuxt"),
        ("@remix-run/serve", "Remix"),
        ("@react-router/serve", "React Router"),
        ("@sveltejs/adapter-node", "SvelteKit"),
    ]
    .into_iter()
    .find(|(name, _)| package.has(name))
    .map(|(_, title)| (title, 3000))
}

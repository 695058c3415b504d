//! The samples that Pluvio carries, so that an empty installation offers a first deploy in one click.

use pluvio_api::applications::SampleSummary;
use pluvio_model::problem;
use rust_embed::RustEmbed;

use crate::App;
use crate::refusal::Refusal;

#[derive(RustEmbed)]
#[folder = "../../samples"]
#[exclude = "*/node_modules/*"]
struct Samples;

const TITLES: [(&str, &str, &str); 5] = [
    ("node", "A page and an API", "Node.js"),
    ("python", "A small Flask site", "Python"),
    ("go", "One binary", "Go"),
    ("static", "Files and nothing else", "HTML"),
    ("dockerfile", "Your own Dockerfile", "Dockerfile"),
];

pub(crate) fn list() -> Vec<SampleSummary> {
    TITLES
        .iter()
        .map(|(name, title, language)| SampleSummary {
            name: (*name).into(),
            title: (*title).into(),
            language: (*language).into(),
        })
        .collect()
}

pub(crate) fn find(name: &str) -> Option<SampleSummary> {
    list().into_iter().find(|s| s.name == name)
}

/// Puts a sample where uploads are; answers with its SHA-256. The archive is the same each time, and so is its name.
pub(crate) async fn upload(app: &App, name: &str) -> Result<String, Refusal> {
    let prefix = format!("{name}/");
    let mut files: Vec<_> = Samples::iter()
        .filter(|path| path.starts_with(&prefix))
        .collect();
    files.sort();
    let failed = |e: std::io::Error| {
        Refusal(problem::INTERNAL.problem(e.to_string(), "See the server's log."))
    };
    let mut archive = tar::Builder::new(Vec::new());
    for path in files {
        let Some(file) = Samples::get(&path) else {
            continue;
        };
        let mut header = tar::Header::new_gnu();
        header.set_size(file.data.len() as u64);
        header.set_mode(if file.data.starts_with(b"#!") {
            0o755
        } else {
            0o644
        });
        header.set_mtime(0);
        archive
            .append_data(&mut header, &path[prefix.len()..], file.data.as_ref())
            .map_err(failed)?;
    }
    let bytes = archive.into_inner().map_err(failed)?;
    let data = futures::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from(bytes))]);
    let info = app
        .control
        .blobs()
        .put_by_content("uploads", data, 64 << 20)
        .await?;
    Ok(info
        .key
        .as_str()
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned())
}

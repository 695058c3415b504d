//! Images for clusters: what the engine built is published to the registry once, and kept there while a release refers to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::time::Duration;

use pluvio_model::id::ApplicationId;
use pluvio_model::name::Name;
use pluvio_model::problem::{self, Problem};
use pluvio_model::release::Release;
use pluvio_registry::{Failure, Registry, Repository, Swept};
use pluvio_runtime::Program;
use pluvio_store::{PageRequest, StoreError};
use tokio::io::AsyncRead;

use crate::Control;

/// How often what nobody needs is removed.
const COLLECT: Duration = Duration::from_secs(3600);
/// The newest releases of an application whose images stay in the registry, beside those that run: for a rollback.
const KEPT_RELEASES: u32 = 10;

/// The registry that images are published to, once one is configured.
#[derive(Debug, Default)]
pub(crate) struct Images {
    served: OnceLock<Served>,
    /// One image is taken over at a time: two that share layers would compress them twice.
    taking: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Served {
    registry: Registry,
    host: String,
}

impl Control {
    /// Publishes to this registry from now on. `url`: where clusters reach it, `https://images.example.org`.
    pub fn serve_images(&self, registry: Registry, url: &str) {
        let host = url.split_once("://").map_or(url, |(_, host)| host);
        let host = host.trim_end_matches('/').to_owned();
        if self
            .inner
            .images
            .served
            .set(Served { registry, host })
            .is_err()
        {
            return;
        }
        let control = self.clone();
        self.inner.tasks.spawn(async move {
            let stop = control.inner.stop.clone();
            tokio::select! { () = stop.cancelled() => {}, () = keep(control) => {} }
        });
    }

    /// Refuses, with what to do, where no registry is served.
    pub(crate) fn images_served(&self) -> Result<(), Problem> {
        self.served().map(drop)
    }

    /// The registry, refused with what to do where none is configured.
    fn served(&self) -> Result<&Served, Problem> {
        self.inner.images.served.get().ok_or_else(|| {
            problem::IMAGES_NOT_SERVED.problem(
                "Clusters pull what is built here from Pluvio's registry of images, and none is configured.",
                "Set `images.listen` in pluvio.toml to an address that the cluster's nodes reach, and restart Pluvio: \
                 docs/operations/images.md.",
            )
        })
    }

    /// The registry, where one is served: for its figures and settings.
    pub fn registry(&self) -> Option<&Registry> {
        self.inner
            .images
            .served
            .get()
            .map(|served| &served.registry)
    }

    /// The host by which clusters name the registry: `images.example.org`, `10.0.0.5:5000`.
    pub fn images_host(&self) -> Option<&str> {
        self.inner
            .images
            .served
            .get()
            .map(|served| served.host.as_str())
    }

    /// Where a cluster pulls an image of the engine from: `HOST/TEAM/APP/COMPONENT@sha256:…`. It is taken over from the engine
    /// the first time; afterwards this is one question to the database.
    pub async fn publish(
        &self,
        team: &Name,
        application: &Name,
        component: &Name,
        image_id: &str,
    ) -> Result<String, Problem> {
        let repository = format!("{team}/{application}/{component}");
        let archive = async || self.builder().export(image_id).await;
        self.publish_once(team, &repository, image_id, &tag(image_id), archive)
            .await
    }

    /// Where a cluster pulls Pluvio's own program from, among a team's images. It is packed the first time that a program asks.
    pub(crate) async fn publish_program(&self, team: &Name) -> Result<String, Problem> {
        let key = program_key().map_err(unreadable)?;
        let repository = format!("{team}/pluvio/program");
        let packed = self.inner.config.data.join("work/program.tar");
        let archive = async || {
            let folder = packed.parent().expect("a folder");
            tokio::fs::create_dir_all(folder)
                .await
                .map_err(unreadable)?;
            self.connector()?.program(&packed).await?;
            let file = tokio::fs::File::open(&packed).await.map_err(unreadable);
            // What is open can be read to its end; another's is left alone.
            let _ = tokio::fs::remove_file(&packed).await;
            file
        };
        let tag = env!("CARGO_PKG_VERSION");
        self.publish_once(team, &repository, &key, tag, archive)
            .await
    }

    /// `HOST/REPOSITORY@sha256:…` of what `key` names, imported from its archive if that has not been done.
    async fn publish_once<A: AsyncRead + Send + Unpin + 'static>(
        &self,
        team: &Name,
        repository: &str,
        key: &str,
        tag: &str,
        archive: impl AsyncFnOnce() -> Result<A, Problem>,
    ) -> Result<String, Problem> {
        let served = self.served()?;
        let repository: Repository = repository.parse().map_err(told)?;
        let reference = |digest: &str| format!("{}/{repository}@{digest}", served.host);
        let store = self.store();
        if let Some(digest) = store.published_image(repository.as_str(), key).await? {
            return Ok(reference(&digest));
        }
        let _alone = self.inner.images.taking.lock().await;
        if let Some(digest) = store.published_image(repository.as_str(), key).await? {
            return Ok(reference(&digest));
        }
        let owner = store.team_named(team.as_str()).await?;
        let owner = owner.ok_or(StoreError::NotFound { what: "team" })?;
        let archive = archive().await?;
        let import = served
            .registry
            .import(owner, &repository, Some(tag), archive, "pluvio");
        let digest = Box::pin(import).await.map_err(told)?;
        let digest = digest.as_str();
        let put = store.put_published_image(owner, repository.as_str(), key, digest);
        put.await?;
        Ok(reference(digest))
    }

    /// Removes from the registry what nobody needs, by its rules.
    pub async fn collect_images(&self) -> Result<Swept, Problem> {
        let served = self.served()?;
        let keep = self.images_of_releases().await?;
        served.registry.collect(keep).await.map_err(told)
    }

    /// The digests of manifests that releases refer to: those that run or shall run, and the newest of each application.
    async fn images_of_releases(&self) -> Result<BTreeSet<String>, Problem> {
        let store = self.store();
        let mut published: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (image_id, digest) in store.published_images().await? {
            published.entry(image_id).or_default().push(digest);
        }
        // What runs on clusters beside applications is of this version.
        let own = program_key().map_err(unreadable)?;
        let mut keep: BTreeSet<String> =
            published.get(&own).into_iter().flatten().cloned().collect();
        let mut wanted: BTreeSet<(ApplicationId, u64)> = BTreeSet::new();
        for cluster in store.clusters().await? {
            for target in store.targets(cluster.id).await? {
                let application = target.application;
                wanted.insert((application, target.release));
                wanted.extend(target.live_release.map(|release| (application, release)));
            }
        }
        let newest = PageRequest {
            limit: KEPT_RELEASES,
            after: None,
        };
        let applications: BTreeSet<ApplicationId> = wanted.iter().map(|(id, _)| *id).collect();
        for application in applications {
            let rows = store.releases(application, &newest).await?;
            wanted.extend(rows.items.iter().map(|row| (application, row.number)));
        }
        for (application, number) in wanted {
            let release = match store.release(application, number).await {
                Ok(stored) => stored.release,
                // Deleted meanwhile.
                Err(StoreError::NotFound { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            for (image_id, named) in images(&release) {
                keep.extend(named);
                keep.extend(published.get(&image_id).into_iter().flatten().cloned());
            }
        }
        Ok(keep)
    }
}

/// The images of a release: what runs, and the digest by which it is named, if it is.
fn images(release: &Release) -> impl Iterator<Item = (String, Option<String>)> {
    let components = release.components.values();
    let containers = components.flat_map(|component| {
        let content = &component.content;
        let beside = content.sidecars.values().chain(content.init.values());
        std::iter::once(&content.main).chain(beside)
    });
    containers.map(|container| {
        let named = container.image.digest().map(str::to_owned);
        (container.image_id.clone(), named)
    })
}

/// For people who look at the list: the engine's short form of its id.
fn tag(image_id: &str) -> String {
    let id = image_id.trim_start_matches("sha256:");
    let short: String = id
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(12)
        .collect();
    format!("image-{short}")
}

/// A registry's failure as a user of Pluvio reads it.
fn told(failure: Failure) -> Problem {
    match failure.problem {
        Some(problem) => *problem,
        None => problem::INTERNAL.problem(
            format!(
                "The registry of images: {}.",
                failure.message.trim_end_matches('.')
            ),
            "See the server's log, and the space on the data folder's disk.",
        ),
    }
}

async fn keep(control: Control) {
    loop {
        tokio::time::sleep(COLLECT).await;
        match control.collect_images().await {
            Ok(swept) if swept != Swept::default() => {
                tracing::info!(
                    tags = swept.rows.tags,
                    manifests = swept.rows.manifests,
                    files = swept.files,
                    bytes = swept.bytes,
                    "images that nobody needs were removed"
                );
            }
            Ok(_) => {}
            Err(problem) => tracing::warn!(cause = problem.cause, "images were not collected"),
        }
    }
}

/// Marks what is published of Pluvio's own program among images of the engine.
fn program_key() -> std::io::Result<String> {
    Ok(format!("program:{}", Program::own_key()?))
}

fn unreadable(error: std::io::Error) -> Problem {
    problem::DISK_FULL.problem(
        format!("Pluvio's own program cannot be packed: {error}."),
        "Check the space and the permissions of the data folder.",
    )
}

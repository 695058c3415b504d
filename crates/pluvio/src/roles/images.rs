//! The registry's role: images for clusters, beside control or in a process of its own.

use std::sync::Arc;

use pluvio_model::problem::{self, Problem};
use pluvio_registry::{Registry, Settings, StoreAuthorizer, Tls};
use pluvio_store::{Blobs, Seal, Store};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// The registry on this data, where clusters reach one.
pub(super) fn registry(config: &Config, store: &Store, blobs: &Blobs) -> Option<Registry> {
    config.images.address()?;
    let keep_tags = config.images.keep_tags.value;
    let settings = Settings {
        quota: config.images.quota.value.map(|quota| quota.0),
        grace: config.images.grace.value.duration(),
        keep_tags: (keep_tags > 0).then_some(keep_tags),
    };
    Some(Registry::new(store.clone(), blobs.clone(), settings))
}

/// Listens and serves beside what else the process does; nothing where no address is configured.
pub(super) async fn start(
    config: &Config,
    registry: &Registry,
    store: &Store,
    stop: &CancellationToken,
) -> Result<(), Problem> {
    if let Some(serving) = bound(config, registry, store, stop).await? {
        tokio::spawn(serving);
    }
    Ok(())
}

async fn bound(
    config: &Config,
    registry: &Registry,
    store: &Store,
    stop: &CancellationToken,
) -> Result<Option<impl Future<Output = ()> + Send + use<>>, Problem> {
    let Some(listen) = config.images.listen.value else {
        return Ok(None);
    };
    let tls = match config.images.tls() {
        None => None,
        Some((certificate, key)) => Some(Tls::read(&certificate, &key).map_err(|error| {
            problem::CONFIG_INVALID.problem(
                format!("The registry's certificate cannot be used: {error}."),
                "Correct images.certificate and images.key: PEM files that this process can read.",
            )
        })?),
    };
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        problem::PORT_TAKEN.problem(
            format!("{listen} cannot be listened on: {error}."),
            "End what listens there, or choose another address in images.listen.",
        )
    })?;
    tracing::info!(%listen, tls = tls.is_some(), "the registry of images serves");
    let router = registry.router(Arc::new(StoreAuthorizer::new(store.clone())));
    Ok(Some(pluvio_registry::serve(
        listener,
        tls,
        router,
        stop.clone(),
    )))
}

/// A process that is only this: it needs the data folder and the database, and goes on while control is down.
pub(super) async fn run(config: Arc<Config>, stop: CancellationToken) -> Result<(), Problem> {
    let seal = Seal::open_or_create(&config.data.join("seal.key")).map_err(Problem::from)?;
    let store = Store::open(&config.database.value, seal)
        .await
        .map_err(Problem::from)?;
    let blobs = Blobs::beside(&config.data.join("blobs"));
    let unset = || {
        problem::CONFIG_INVALID.problem(
            "The role registry has no address to listen on.",
            "Set images.listen in pluvio.toml, or PLUVIO_IMAGES_LISTEN.",
        )
    };
    let registry = registry(&config, &store, &blobs).ok_or_else(unset)?;
    let serving = bound(&config, &registry, &store, &stop)
        .await?
        .ok_or_else(unset)?;
    serving.await;
    store.close().await;
    Ok(())
}

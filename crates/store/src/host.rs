//! Which application answers where. A host belongs to one application's team; who has it is never told to others.

use std::collections::BTreeSet;

use pluvio_model::id::{ApplicationId, ClusterId, TeamId};
use pluvio_model::release::Release;
use pluvio_model::route::{PathMatch, Route};

use crate::application::Application;
use crate::row::Columns;
use crate::transaction::Tx;
use crate::{Result, Store, StoreError};

impl Store {
    /// Whether another application claims a path of this host.
    pub async fn host_taken(
        &self,
        cluster: ClusterId,
        host: &str,
        application: Option<ApplicationId>,
    ) -> Result<bool> {
        let query = sqlx::query(
            "SELECT application FROM hosts WHERE cluster = $1 AND host = $2 AND application <> $3 LIMIT 1",
        )
        .bind(cluster.to_string())
        .bind(host.to_ascii_lowercase())
        .bind(application.map(|id| id.to_string()).unwrap_or_default());
        Ok(self.read_maybe(query).await?.is_some())
    }

    /// Whether this path of a host is another's, or the host another team's.
    pub async fn is_claimed(
        &self,
        cluster: ClusterId,
        (host, of): (&str, &PathMatch),
        team: TeamId,
        application: Option<ApplicationId>,
    ) -> Result<bool> {
        let query = sqlx::query(
            "SELECT application FROM hosts WHERE cluster = $1 AND host = $2 AND (team <> $3 OR (path = $4 AND application <> $5)) LIMIT 1",
        )
        .bind(cluster.to_string())
        .bind(host.to_ascii_lowercase())
        .bind(team.to_string())
        .bind(path(of))
        .bind(application.map(|id| id.to_string()).unwrap_or_default());
        Ok(self.read_maybe(query).await?.is_some())
    }

    /// Hosts and paths that an application claims. A path that begins with `=` takes itself only.
    pub async fn hosts(&self, application: ApplicationId) -> Result<Vec<(String, String)>> {
        let query =
            sqlx::query("SELECT host, path FROM hosts WHERE application = $1 ORDER BY host, path")
                .bind(application.to_string());
        let rows = self.read_all(query).await?;
        rows.iter()
            .map(|row| Ok((row.text("host")?, row.text("path")?)))
            .collect()
    }
}

/// Claims every host and path of a release, or none. One that another application has is refused, and so is any path of a
/// host that another team has: whoever has a host would else be sharing its cookies with strangers.
pub(crate) async fn claim(
    tx: &mut Tx,
    application: &Application,
    cluster: ClusterId,
    release: &Release,
) -> Result<()> {
    let wanted = claims(&release.routes);
    let mut new = Vec::new();
    for (host, path) in &wanted {
        let there = sqlx::query(
            "SELECT path, application, team FROM hosts WHERE cluster = $1 AND host = $2",
        )
        .bind(cluster.to_string())
        .bind(host.clone());
        let mut ours = false;
        for row in tx.all(there).await? {
            let same_application = row.parsed::<ApplicationId>("application")? == application.id;
            let same_path = row.text("path")? == *path;
            if row.text("team")? != application.team.to_string() || (same_path && !same_application)
            {
                return Err(StoreError::HostTaken { host: host.clone() });
            }
            ours |= same_path;
        }
        if !ours {
            new.push((host, path));
        }
    }
    for (host, path) in new {
        let insert = sqlx::query(
            "INSERT INTO hosts (cluster, host, path, team, application) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(cluster.to_string())
        .bind(host.clone())
        .bind(path.clone())
        .bind(application.team.to_string())
        .bind(application.id.to_string());
        tx.run(insert).await?;
    }
    Ok(())
}

/// Gives back what the application claims beyond this release.
pub(crate) async fn keep_only(
    tx: &mut Tx,
    application: ApplicationId,
    cluster: ClusterId,
    release: &Release,
) -> Result<()> {
    let wanted = claims(&release.routes);
    let there = sqlx::query("SELECT host, path FROM hosts WHERE application = $1 AND cluster = $2")
        .bind(application.to_string())
        .bind(cluster.to_string());
    for row in tx.all(there).await? {
        let claim = (row.text("host")?, row.text("path")?);
        if wanted.contains(&claim) {
            continue;
        }
        let delete =
            sqlx::query("DELETE FROM hosts WHERE cluster = $1 AND host = $2 AND path = $3")
                .bind(cluster.to_string())
                .bind(claim.0)
                .bind(claim.1);
        tx.run(delete).await?;
    }
    Ok(())
}

/// Hosts of other applications whose first label is this application's name: what a decision must not choose by default.
pub(crate) async fn of_others(
    tx: &mut Tx,
    application: &Application,
    cluster: ClusterId,
) -> Result<BTreeSet<String>> {
    // `/` is the character after `.`: together the two bounds are the prefix `NAME.`, which an index can serve.
    let query = sqlx::query(
        "SELECT DISTINCT host FROM hosts WHERE cluster = $1 AND host >= $2 AND host < $3 AND application <> $4",
    )
    .bind(cluster.to_string())
    .bind(format!("{}.", application.name))
    .bind(format!("{}/", application.name))
    .bind(application.id.to_string());
    let rows = tx.all(query).await?;
    rows.iter().map(|row| row.text("host")).collect()
}

fn claims(routes: &[Route]) -> BTreeSet<(String, String)> {
    let mut claims = BTreeSet::new();
    for route in routes {
        let mut paths: Vec<String> = route.matches.iter().map(|m| path(&m.path)).collect();
        if paths.is_empty() {
            paths.push("/".to_owned());
        }
        for host in &route.hosts {
            claims.extend(paths.iter().map(|path| (host.to_string(), path.clone())));
        }
    }
    claims
}

fn path(path: &PathMatch) -> String {
    match path {
        PathMatch::Exact(path) => format!("={}", path.as_str()),
        // A trailing slash makes no difference to a prefix.
        PathMatch::Prefix(path) => match path.as_str().trim_end_matches('/') {
            "" => "/".to_owned(),
            path => path.to_owned(),
        },
    }
}

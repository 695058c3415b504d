//! Applications and what lists show of them.

use jiff::Timestamp;
use pluvio_model::event::EventBody;
use pluvio_model::id::{ApplicationId, ClusterId, EnvironmentId, TeamId};
use pluvio_model::name::Name;
use pluvio_model::stage::Power;
use serde::{Deserialize, Serialize};

use crate::account::Scope;
use sqlx::any::AnyRow;

use crate::audit::record;
use crate::operation;
use crate::row::{Columns, fresh, word};
use crate::target::Target;
use crate::transaction::{Tx, transaction};
use crate::{Page, PageRequest, Result, Store, StoreError};

/// How an application is, as far as decisions tell; how its instances are is observed elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApplicationState {
    /// Nothing was deployed yet.
    Empty,
    /// A first or a new release is on its way.
    Deploying,
    Live,
    /// The last change failed. What was live before still is, if there was anything.
    Failed,
    /// Stopped by a person.
    Stopped,
    Deleting,
}

/// A row of the list of applications: everything is in indexed columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Application {
    pub id: ApplicationId,
    pub team: TeamId,
    pub team_name: Name,
    pub environment: EnvironmentId,
    pub environment_name: Name,
    /// Where its environment is; the engine when absent.
    pub cluster: Option<ClusterId>,
    pub name: Name,
    pub display_name: Option<String>,
    pub state: ApplicationState,
    /// The release that is the target.
    pub release: Option<u64>,
    /// The best URL of the target.
    pub url: Option<String>,
    /// The newest revision asked for: what `If-Match` compares.
    pub revision: Option<u64>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Debug, Clone)]
pub struct NewApplication {
    pub scope: Scope,
    pub name: Name,
    pub display_name: Option<String>,
}

/// What a list shows. The team is not optional: nothing is listed across tenants.
#[derive(Debug, Clone)]
pub struct ApplicationFilter {
    pub team: TeamId,
    pub environment: Option<EnvironmentId>,
    pub state: Option<ApplicationState>,
    /// A part of the name.
    pub contains: Option<String>,
}

/// The columns of a row with the names of its team and environment.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT a.*, t.name AS team_name, e.name AS environment_name, e.cluster FROM applications a ",
            "JOIN teams t ON t.id = a.team JOIN environments e ON e.id = a.environment ",
            $rest
        )
    };
}

impl Store {
    /// Makes an application without a revision. [`crate::StoreError::NameTaken`] when the environment has one of that name.
    pub async fn create_application(
        &self,
        new: NewApplication,
        actor: &str,
    ) -> Result<Application> {
        transaction!(self, tx => { create(&mut tx, &new, actor).await })
    }

    pub async fn application(&self, id: ApplicationId) -> Result<Application> {
        let query = sqlx::query(select!("WHERE a.id = $1")).bind(id.to_string());
        read(&self.read_one("application", query).await?)
    }

    pub async fn find_application(
        &self,
        environment: EnvironmentId,
        name: &str,
    ) -> Result<Application> {
        let query = sqlx::query(select!("WHERE a.environment = $1 AND a.name = $2"))
            .bind(environment.to_string())
            .bind(name.to_owned());
        read(&self.read_one("application", query).await?)
    }

    /// By name.
    pub async fn applications(
        &self,
        filter: &ApplicationFilter,
        page: &PageRequest,
    ) -> Result<Page<Application>> {
        let (name, id): (String, String) = page.key()?.unwrap_or_default();
        // A pattern in which only what we put there is a wildcard.
        let contains = filter.contains.as_ref().map(|part| {
            let part: String = part
                .to_lowercase()
                .chars()
                .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
                .collect();
            format!("%{part}%")
        });
        let query = sqlx::query(select!(
            "WHERE a.team = $1 AND (a.name, a.id) > ($2, $3) \
             AND ($4 IS NULL OR a.environment = $4) AND ($5 IS NULL OR a.state = $5) \
             AND ($6 IS NULL OR a.name LIKE $6) ORDER BY a.name, a.id LIMIT $7"
        ))
        .bind(filter.team.to_string())
        .bind(name)
        .bind(id)
        .bind(filter.environment.map(|id| id.to_string()))
        .bind(filter.state.map(word))
        .bind(contains)
        .bind(page.rows());
        let rows = self.read_all(query).await?;
        let rows = rows.iter().map(read).collect::<Result<_>>()?;
        Ok(page.page(rows, |row: &Application| {
            (row.name.to_string(), row.id.to_string())
        }))
    }

    /// How many of each state a team has; states without one are left out.
    pub async fn count_applications(&self, team: TeamId) -> Result<Vec<(ApplicationState, u64)>> {
        let query = sqlx::query(
            "SELECT state, count(*) AS many FROM applications WHERE team = $1 GROUP BY state ORDER BY state",
        )
        .bind(team.to_string());
        let rows = self.read_all(query).await?;
        rows.iter()
            .map(|row| Ok((row.word("state")?, row.count("many")?)))
            .collect()
    }

    /// Sets the free name for people, or removes it.
    pub async fn set_display_name(
        &self,
        id: ApplicationId,
        display_name: Option<&str>,
        actor: &str,
    ) -> Result<()> {
        transaction!(self, tx => {
            let application = load(&mut tx, id).await?;
            let update = sqlx::query("UPDATE applications SET display_name = $2 WHERE id = $1")
                .bind(id.to_string())
                .bind(display_name.map(str::to_owned));
            tx.run(update).await?;
            let object = format!("application {}", application.name);
            record(&mut tx, Some(application.team), actor, "application:configure", &object, "renamed").await
        })
    }
}

pub(crate) async fn create(tx: &mut Tx, new: &NewApplication, actor: &str) -> Result<Application> {
    let taken = sqlx::query("SELECT id FROM applications WHERE environment = $1 AND name = $2")
        .bind(new.scope.environment.to_string())
        .bind(new.name.to_string());
    if tx.maybe(taken).await?.is_some() {
        return Err(StoreError::NameTaken {
            what: "application",
            name: new.name.to_string(),
        });
    }
    let application = Application {
        id: ApplicationId(fresh()),
        team: new.scope.team,
        team_name: new.scope.team_name.clone(),
        environment: new.scope.environment,
        environment_name: new.scope.environment_name.clone(),
        cluster: new.scope.cluster,
        name: new.name.clone(),
        display_name: new.display_name.clone(),
        state: ApplicationState::Empty,
        release: None,
        url: None,
        revision: None,
        created_at: tx.now,
        updated_at: tx.now,
    };
    let insert = sqlx::query(
        "INSERT INTO applications (id, team, environment, name, display_name, state, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
    )
    .bind(application.id.to_string())
    .bind(application.team.to_string())
    .bind(application.environment.to_string())
    .bind(application.name.to_string())
    .bind(application.display_name.clone())
    .bind(word(application.state))
    .bind(tx.now_ms());
    tx.run(insert).await?;
    let name = application.name.to_string();
    let object = format!("application {name}");
    record(
        tx,
        Some(application.team),
        actor,
        "application:create",
        &object,
        "created",
    )
    .await?;
    let body = EventBody::ApplicationCreated { name };
    tx.tell(application.team, Some(application.id), None, &body)
        .await?;
    Ok(application)
}

pub(crate) async fn load(tx: &mut Tx, id: ApplicationId) -> Result<Application> {
    let query = sqlx::query(select!("WHERE a.id = $1")).bind(id.to_string());
    read(&tx.one("application", query).await?)
}

/// Writes the projections back.
pub(crate) async fn save(tx: &mut Tx, application: &mut Application) -> Result<()> {
    application.updated_at = tx.now;
    let update = sqlx::query(
        "UPDATE applications SET state = $2, release = $3, revision = $4, url = $5, updated_at = $6 WHERE id = $1",
    )
    .bind(application.id.to_string())
    .bind(word(application.state))
    .bind(application.release.map(|number| number as i64))
    .bind(application.revision.map(|number| number as i64))
    .bind(application.url.clone())
    .bind(tx.now_ms());
    tx.run(update).await?;
    Ok(())
}

/// The state after an operation ended, from what else is under way and where the target is. `failed`: the operation that
/// ended last did.
pub(crate) async fn settled_state(
    tx: &mut Tx,
    application: &Application,
    target: Option<&Target>,
    failed: bool,
) -> Result<ApplicationState> {
    if application.state == ApplicationState::Deleting {
        return Ok(ApplicationState::Deleting);
    }
    let running = operation::running(tx, application.id).await?;
    if running.iter().any(|operation| !operation.kind.is_aside()) {
        return Ok(ApplicationState::Deploying);
    }
    Ok(match target {
        _ if failed => ApplicationState::Failed,
        None => ApplicationState::Empty,
        Some(target) if target.power == Power::Off => ApplicationState::Stopped,
        Some(target) if target.failed => ApplicationState::Failed,
        Some(target) if target.live_release == Some(target.release) => ApplicationState::Live,
        Some(_) => ApplicationState::Deploying,
    })
}

fn read(row: &AnyRow) -> Result<Application> {
    Ok(Application {
        id: row.parsed("id")?,
        team: row.parsed("team")?,
        team_name: row.parsed("team_name")?,
        environment: row.parsed("environment")?,
        environment_name: row.parsed("environment_name")?,
        cluster: row.maybe_parsed("cluster")?,
        name: row.parsed("name")?,
        display_name: row.maybe_text("display_name")?,
        state: row.word("state")?,
        release: row.maybe_count("release")?,
        url: row.maybe_text("url")?,
        revision: row.maybe_count("revision")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

//! Applications and what lists show of them.

use jiff::Timestamp;
use pluvio_model::id::{ApplicationId, EnvironmentId, TeamId};
use pluvio_model::name::Name;
use serde::{Deserialize, Serialize};

use crate::account::Scope;
use crate::{Page, PageRequest, Result, Store};

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

impl Store {
    /// Makes an application without a revision. [`crate::StoreError::NameTaken`] when the environment has one of that name.
    pub async fn create_application(
        &self,
        new: NewApplication,
        actor: &str,
    ) -> Result<Application> {
        todo!()
    }
    pub async fn application(&self, id: ApplicationId) -> Result<Application> {
        todo!()
    }
    pub async fn find_application(
        &self,
        environment: EnvironmentId,
        name: &str,
    ) -> Result<Application> {
        todo!()
    }
    /// By name.
    pub async fn applications(
        &self,
        filter: &ApplicationFilter,
        page: &PageRequest,
    ) -> Result<Page<Application>> {
        todo!()
    }
    /// How many of each state a team has.
    pub async fn count_applications(&self, team: TeamId) -> Result<Vec<(ApplicationState, u64)>> {
        todo!()
    }
    pub async fn set_display_name(
        &self,
        id: ApplicationId,
        display_name: Option<&str>,
        actor: &str,
    ) -> Result<()> {
        todo!()
    }
}

//! Identities: UUIDv7 newtypes, one for each thing that has a life of its own, so that one is never passed for another.

macro_rules! id {
    ($($(#[$doc:meta])* $type:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(transparent)]
        pub struct $type(pub uuid::Uuid);
        impl std::fmt::Display for $type {
            fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
                self.0.fmt(out)
            }
        }
        impl std::str::FromStr for $type {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map($type)
            }
        }
    )*};
}

id! {
    OrganizationId, TeamId, EnvironmentId, ApplicationId,
    /// One release of one application.
    ReleaseId,
    OperationId, JobId, VolumeId, BackupId, UserId, TokenId, PasskeyId,
    /// A runtime target: an engine (by the identity it keeps) or a Kubernetes cluster.
    ClusterId,
}

/// The fence of one application on one cluster: a number that only grows. A runtime refuses a stage whose generation is
/// older than the one it has.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    #[must_use]
    pub fn next(self) -> Generation {
        Generation(self.0 + 1)
    }
}
impl std::fmt::Display for Generation {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        self.0.fmt(out)
    }
}

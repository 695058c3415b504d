//! The one table of permissions. Each API operation declares the one it needs beside its handler.

use serde::{Deserialize, Serialize};

macro_rules! permissions {
    ($($name:ident = $text:literal;)*) => {
        /// `resource:verb`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Permission { $(#[serde(rename = $text)] $name),* }
        impl Permission {
            pub const ALL: &[Permission] = &[$(Permission::$name),*];
            pub fn as_str(self) -> &'static str {
                match self { $(Permission::$name => $text),* }
            }
            /// Reading verbs are what a reader has. `audit:view` is none: who did what is for those who answer for it.
            /// Neither is `volume-files:view`: what is in a volume may be as secret as a password.
            pub fn is_read(self) -> bool {
                self.as_str().ends_with(":read")
            }
        }
    };
}

permissions! {
    ApplicationRead = "application:read";
    ApplicationCreate = "application:create";
    ApplicationDeploy = "application:deploy";
    ApplicationConfigure = "application:configure";
    ApplicationOperate = "application:operate";
    ApplicationDelete = "application:delete";
    InstanceExec = "instance:exec";
    LogRead = "log:read";
    SecretWrite = "secret:write";
    SecretRead = "secret-names:read";
    OperationRead = "operation:read";
    OperationCancel = "operation:cancel";
    VolumeRead = "volume:read";
    VolumeDelete = "volume:delete";
    VolumeCopy = "volume:copy";
    VolumeFilesView = "volume-files:view";
    VolumeFilesWrite = "volume-files:write";
    DatabaseRead = "database:read";
    DatabaseManage = "database:manage";
    CredentialWrite = "credential:write";
    CredentialRead = "credential:read";
    ImageRead = "image:read";
    ImageWrite = "image:write";
    ImageManage = "image:manage";
    ClusterRead = "cluster:read";
    ClusterManage = "cluster:manage";
    TokenManage = "token:manage";
    TeamRead = "team:read";
    TeamManage = "team:manage";
    AuditView = "audit:view";
    HostAccess = "host:access";
}

/// Built-in roles.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Owner,
    Reader,
}

impl Role {
    pub fn allows(self, permission: Permission) -> bool {
        match self {
            Role::Owner => true,
            Role::Reader => permission.is_read(),
        }
    }
}

//! Who did what: rows written with the change they tell of, chained by keyed hashes in batches.

use jiff::Timestamp;
use pluvio_model::id::TeamId;

use crate::{Page, PageRequest, Result, Store};

/// A row to write where no other change is: a sign-in, a refusal, an exec.
#[derive(Debug, Clone)]
pub struct NewAudit {
    pub team: Option<TeamId>,
    /// As shown to people.
    pub actor: String,
    /// `application:deploy`
    pub action: String,
    /// `application shop`
    pub object: String,
    /// `done`, `refused`, `failed`
    pub result: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    pub number: u64,
    pub at: Timestamp,
    pub team: Option<TeamId>,
    pub actor: String,
    pub action: String,
    pub object: String,
    pub result: String,
    /// False until a sealer has chained it.
    pub sealed: bool,
}

/// What a check of the chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditVerdict {
    /// All chained rows are as they were written; so many of them, and so many newer ones not chained yet.
    Intact { sealed: u64, open: u64 },
    /// The first row that was changed, or after which one is missing.
    Broken { number: u64 },
}

impl Store {
    pub async fn audit(&self, row: NewAudit) -> Result<()> {
        todo!()
    }
    /// The newest first.
    pub async fn audit_records(
        &self,
        team: TeamId,
        page: &PageRequest,
    ) -> Result<Page<AuditRecord>> {
        todo!()
    }
    /// Chains the rows written since the last call, if no other process is doing so; how many.
    pub async fn seal_audit(&self, owner: &str) -> Result<u64> {
        todo!()
    }
    pub async fn verify_audit(&self) -> Result<AuditVerdict> {
        todo!()
    }
}

//! What a person or hook asked for: steps, live log, outcome.

use serde::{Deserialize, Serialize};

use crate::id::{ApplicationId, OperationId};
use crate::name::Name;
use crate::problem::Problem;

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperationKind {
    Deploy,
    Apply,
    Rollback,
    Scale,
    /// A change of settings: environment, files, routes, resources.
    Configure,
    Restart,
    Stop,
    Start,
    Delete,
    /// A copy of a volume's data.
    CopyVolume,
    /// A new application like another, in another environment.
    Copy,
    /// What runs in one environment, brought to another.
    Promote,
    /// A dump of a database that the platform keeps.
    Backup,
    /// Puts a kept dump into a database.
    Restore,
}

impl OperationKind {
    /// Goes on beside the application: it moves no release, and how it ends says nothing of how the application is.
    pub fn is_aside(self) -> bool {
        matches!(
            self,
            OperationKind::CopyVolume | OperationKind::Backup | OperationKind::Restore
        )
    }
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepName {
    Fetch,
    Base,
    Build,
    Keep,
    Pull,
    /// A volume's data into another.
    Copy,
    Decide,
    Task,
    /// Hand the stage to the runtime.
    Apply,
    Start,
    Shift,
    Drain,
    Stop,
    Remove,
    /// Write what a database holds.
    Dump,
    /// Read what was kept from its beginning to its end.
    Verify,
    /// Put it into a database.
    Restore,
    /// Let go of old ones.
    Prune,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    Waiting,
    Running,
    Done,
    Skipped,
    Failed,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub name: StepName,
    pub state: StepState,
    /// `2 of 3 instances ready`
    #[serde(default)]
    pub note: String,
    pub started_at: Option<jiff::Timestamp>,
    pub ended_at: Option<jiff::Timestamp>,
    /// How long it usually takes, in milliseconds, from earlier operations.
    #[serde(default)]
    pub usual_ms: Option<u64>,
}

/// How far one component is.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentProgress {
    pub component: Name,
    pub state: StepState,
    /// `1 of 2 ready`, `waits for db`
    #[serde(default)]
    pub note: String,
}

impl Step {
    pub fn waiting(name: StepName) -> Step {
        Step {
            name,
            state: StepState::Waiting,
            note: String::new(),
            started_at: None,
            ended_at: None,
            usual_ms: None,
        }
    }

    /// One that another component has been through goes on for the next: it takes what all of them took, not what lies between.
    fn begin(&mut self, now: jiff::Timestamp) {
        if self.state != StepState::Running {
            self.state = StepState::Running;
            self.started_at = match (self.started_at, self.ended_at.take()) {
                (Some(from), Some(to)) => Some(now - to.duration_since(from)),
                (from, _) => from.or(Some(now)),
            };
        }
    }
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Outcome {
    Succeeded,
    Failed {
        problem: Box<Problem>,
    },
    Cancelled,
    /// A later operation took its place.
    Superseded {
        by: Option<OperationId>,
    },
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    pub id: OperationId,
    pub application: ApplicationId,
    pub application_name: String,
    pub kind: OperationKind,
    pub actor: String,
    pub asked_at: jiff::Timestamp,
    pub ended_at: Option<jiff::Timestamp>,
    /// The release it made, once decided.
    pub release: Option<u64>,
    pub steps: Vec<Step>,
    /// How far each component is that the operation changes, in the order in which they were met.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<ComponentProgress>,
    /// What keeps it from going on at present and is tried again; gone when it is mended, or when the operation ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hindrance: Option<Box<Problem>>,
    /// `None` while it runs.
    pub outcome: Option<Outcome>,
    /// Someone asked to cancel it.
    #[serde(default)]
    pub cancel_requested: bool,
    /// In a sentence: `Deploy storefront from main @ 4f1c9ae`.
    #[serde(default)]
    pub title: String,
}

impl Operation {
    pub fn is_over(&self) -> bool {
        self.outcome.is_some()
    }

    /// The step, added at its place if it is not there yet.
    pub fn step_mut(&mut self, name: StepName) -> &mut Step {
        match self.steps.iter().position(|s| s.name >= name) {
            Some(at) if self.steps[at].name == name => &mut self.steps[at],
            Some(at) => {
                self.steps.insert(at, Step::waiting(name));
                &mut self.steps[at]
            }
            None => {
                self.steps.push(Step::waiting(name));
                self.steps.last_mut().expect("just pushed")
            }
        }
    }

    /// Notes how far a component is. One that is done already when it is first met has nothing to do here.
    pub fn progress(&mut self, now: ComponentProgress) {
        let known = self
            .components
            .iter_mut()
            .find(|known| known.component == now.component);
        match known {
            Some(known) => *known = now,
            None if now.state != StepState::Done => self.components.push(now),
            None => {}
        }
    }

    pub fn begin(&mut self, name: StepName, now: jiff::Timestamp) {
        self.step_mut(name).begin(now);
    }

    pub fn finish(&mut self, name: StepName, note: impl Into<String>, now: jiff::Timestamp) {
        let step = self.step_mut(name);
        step.started_at.get_or_insert(now);
        if step.state != StepState::Done {
            step.state = StepState::Done;
            step.ended_at = Some(now);
        }
        let note = note.into();
        if !note.is_empty() {
            step.note = note;
        }
    }

    /// Ends the operation: running steps take the outcome's colour, waiting ones are skipped.
    pub fn end(&mut self, outcome: Outcome, now: jiff::Timestamp) {
        for step in &mut self.steps {
            match step.state {
                StepState::Running => {
                    step.state = if outcome == Outcome::Succeeded {
                        StepState::Done
                    } else {
                        StepState::Failed
                    };
                    step.ended_at = Some(now);
                }
                StepState::Waiting => step.state = StepState::Skipped,
                _ => {}
            }
        }
        for component in &mut self.components {
            match (component.state, outcome == Outcome::Succeeded) {
                (StepState::Running, false) => component.state = StepState::Failed,
                (StepState::Waiting, false) => component.state = StepState::Skipped,
                (StepState::Running | StepState::Waiting, true) => {
                    component.state = StepState::Done;
                    component.note.clear();
                }
                _ => {}
            }
        }
        self.hindrance = None;
        self.outcome = Some(outcome);
        self.ended_at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_takes_what_its_components_took_and_not_what_lies_between() {
        let second = |n| jiff::Timestamp::from_second(n).unwrap();
        let mut step = Step::waiting(StepName::Fetch);
        for (from, to) in [(10, 12), (30, 33)] {
            step.begin(second(from));
            (step.state, step.ended_at) = (StepState::Done, Some(second(to)));
        }
        let (from, to) = (step.started_at.unwrap(), step.ended_at.unwrap());
        assert_eq!(to.duration_since(from).as_secs(), 5);
    }
}

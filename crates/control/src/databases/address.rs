//! The address of a database with its password, as the application's components get it.

use pluvio_model::problem::Problem;
use pluvio_store::Application;

use super::Inside;
use crate::Control;

impl Control {
    /// Read from the file that its programs read. Whoever calls this has told the audit log before.
    pub async fn database_address(
        &self,
        application: &Application,
        inside: &Inside,
    ) -> Result<String, Problem> {
        let said = self
            .run_inside(application, inside, "exec cat /run/pluvio/url", "")
            .await?;
        if said.code != 0 {
            return Err(inside.failed("Its address cannot be read", &said));
        }
        Ok(said.out.trim().to_owned())
    }
}

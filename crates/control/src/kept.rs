//! Images of former releases.

use pluvio_model::facts::ImageAtHand;
use pluvio_model::problem::{self, Problem};
use pluvio_plan::rollback::PinnedImage;

use crate::Control;

impl Control {
    /// An image that a release had, which the engine must still have. `of` says for people what it runs.
    pub(crate) async fn kept_image(
        &self,
        of: &str,
        number: u64,
        image: &PinnedImage,
    ) -> Result<Option<ImageAtHand>, Problem> {
        if image.image_id.is_empty() {
            return Ok(None);
        }
        let facts = pluvio_runtime::Images::image(&self.inner.node, &image.image_id)
            .await
            .map_err(pluvio_runtime::RuntimeError::into_problem)?;
        let facts = facts.ok_or_else(|| {
            problem::RELEASE_GONE.problem(
                format!(
                    "The image of {of} in r{number} ({}) is not kept any more.",
                    image.image
                ),
                format!("Deploy the commit of r{number} again; it is built anew."),
            )
        })?;
        Ok(Some(ImageAtHand {
            reference: image.image.clone(),
            facts,
            built: image.built.clone(),
        }))
    }
}

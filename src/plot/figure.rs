//! A finished figure.

use crate::display::{Rich, Show, one_line};
use crate::{Error, Result};
use std::path::Path;

/// An owned SVG image, with a line of text for whatever cannot show it.
///
/// ```
/// use mlnotes::prelude::*;
///
/// let figure = plot::line([1, 2, 3], &[("loss", [0.9, 0.5, 0.4])]).title("training").finish()?;
/// assert!(figure.svg().starts_with("<svg"));
/// assert_eq!(figure.to_text(), "[line chart \"training\": 1 series]");
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    svg: String,
    text: String,
}

impl Figure {
    pub(super) fn new(svg: String, text: &str) -> Self {
        Self { svg, text: one_line(text) }
    }

    /// The SVG document.
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// Writes the SVG to a file.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be written.
    ///
    /// ```
    /// use mlnotes::prelude::*;
    ///
    /// let figure = plot::bar(["a", "b"], &[("count", [3, 5])]).finish()?;
    /// let path = std::env::temp_dir().join("mlnotes-doctest-figure.svg");
    /// figure.save(&path)?;
    /// assert_eq!(std::fs::read_to_string(&path).unwrap(), figure.svg());
    /// assert!(figure.save("/no/such/folder/figure.svg").is_err());
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        std::fs::write(path, &self.svg)
            .map_err(|error| Error::file(path, format!("the figure cannot be written there: {error}")))
    }
}

impl Show for Figure {
    fn to_text(&self) -> String {
        self.text.clone()
    }

    fn to_rich(&self) -> Rich {
        Rich::Svg(self.svg.clone())
    }
}

//! The builder that all charts share.

use super::plan::{Guide, Kind, Numeric, Options};
use super::{Figure, Number, layout};
use crate::display::{Rich, Show, frame, one_line, paragraph, send};
use crate::{Error, Result};

/// A chart being built: the data, and what has been said about its looks.
///
/// It shows itself, so a cell can end with it; [`finish`](Chart::finish) makes the [`Figure`]. Nothing is drawn, and
/// nothing can fail, before that.
///
/// ```
/// use mlnotes::prelude::*;
///
/// let chart = plot::scatter([1.0, 2.0], [3.0, 5.0])
///     .title("两点 two points")
///     .labels("x", "y")
///     .size(480, 320)
///     .x_range(0.0, 3.0)
///     .hline(4.0, "half way")
///     .note(2.0, 5.0, "the second");
/// assert!(chart.finish()?.svg().contains("两点 two points"));
/// assert!(chart.size(1, 1).finish().is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Chart<K> {
    pub(super) kind: K,
    pub(super) options: Options,
}

impl<K: Kind> Chart<K> {
    pub(super) fn new(kind: K) -> Self {
        Self { kind, options: Options::default() }
    }

    /// The line above the plot; long ones are wrapped.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.options.title = title.into();
        self
    }

    /// What stands along the two axes, with units.
    pub fn labels(mut self, x: impl Into<String>, y: impl Into<String>) -> Self {
        (self.options.x_label, self.options.y_label) = (x.into(), y.into());
        self
    }

    /// Width and height in pixels, 640 by 400 unless told; it shrinks with the page.
    pub fn size(mut self, width: u32, height: u32) -> Self {
        self.options.size = (f64::from(width), f64::from(height));
        self
    }

    /// Leaves the legend out.
    pub fn no_legend(mut self) -> Self {
        self.options.legend = false;
        self
    }

    /// Draws the figure.
    ///
    /// # Errors
    /// [`Error::Figure`] says what cannot be drawn: nothing but NaN, an infinity, lengths that differ, a range that is
    /// not one, a number at or below 0 on a logarithmic axis, a size outside 160 to 4000 pixels.
    pub fn finish(&self) -> Result<Figure> {
        finish(&self.kind, &self.options)
    }
}

/// Not generic, or each cell that draws would compile the whole of drawing.
fn finish(kind: &dyn Kind, options: &Options) -> Result<Figure> {
    let title = if options.title.is_empty() { String::new() } else { format!(" \"{}\"", options.title) };
    let text = format!("{}{title}: {}", kind.noun(), kind.content());
    let svg = layout::draw(kind, options, &text)?;
    Ok(Figure::new(svg, &format!("[{text}]")))
}

impl<K: Numeric> Chart<K> {
    /// Fixes the ends of the x axis; what lies outside is cut off.
    pub fn x_range(mut self, low: impl Number, high: impl Number) -> Self {
        self.options.x_range = Some((low.number(), high.number()));
        self
    }

    /// Fixes the ends of the y axis; what lies outside is cut off.
    pub fn y_range(mut self, low: impl Number, high: impl Number) -> Self {
        self.options.y_range = Some((low.number(), high.number()));
        self
    }

    /// A logarithmic x axis.
    pub fn log_x(mut self) -> Self {
        self.options.log_x = true;
        self
    }

    /// A logarithmic y axis.
    pub fn log_y(mut self) -> Self {
        self.options.log_y = true;
        self
    }

    /// A vertical line at `x`; the text may be empty.
    pub fn vline(mut self, x: impl Number, text: impl Into<String>) -> Self {
        self.options.guides.push(Guide { vertical: true, at: x.number(), text: text.into() });
        self
    }

    /// A horizontal line at `y`; the text may be empty.
    pub fn hline(mut self, y: impl Number, text: impl Into<String>) -> Self {
        self.options.guides.push(Guide { vertical: false, at: y.number(), text: text.into() });
        self
    }

    /// A text beside the point (x, y).
    pub fn note(mut self, x: impl Number, y: impl Number, text: impl Into<String>) -> Self {
        self.options.notes.push((x.number(), y.number(), text.into()));
        self
    }
}

/// Draws when shown; what cannot be drawn is said in one line.
impl<K: Kind> Show for Chart<K> {
    fn to_text(&self) -> String {
        forms(&self.kind, &self.options).1
    }

    fn to_rich(&self) -> Rich {
        forms(&self.kind, &self.options).0
    }

    /// Draws once for both forms.
    fn evcxr_display(&self) {
        let (rich, text) = forms(&self.kind, &self.options);
        send(&rich, &text);
    }
}

fn forms(kind: &dyn Kind, options: &Options) -> (Rich, String) {
    match finish(kind, options) {
        Ok(figure) => (figure.to_rich(), figure.to_text()),
        Err(error) => {
            let error = error.to_string();
            (Rich::Html(frame(&paragraph("no", &error))), one_line(&error))
        }
    }
}

/// Refuses an infinity, and data without a single number.
pub(super) fn validate(name: &str, values: &[f64]) -> Result<()> {
    if let Some(i) = values.iter().position(|value| value.is_infinite()) {
        let text = format!("{name} holds {} at [{i}]: leave such points out, or make them NaN for a gap", values[i]);
        return Err(Error::Figure(text));
    }
    if values.iter().all(|value| value.is_nan()) {
        let what = if values.is_empty() { "is empty" } else { "holds nothing but NaN" };
        return Err(Error::Figure(format!("{name} {what}: give it at least one number")));
    }
    Ok(())
}

/// How a series is called in an error.
pub(super) fn called(name: &str) -> String {
    if name.is_empty() { "the series".into() } else { format!("the series \"{}\"", one_line(name)) }
}

/// Refuses a length other than the one needed.
pub(super) fn same_length(name: &str, got: usize, want: usize, of: &str) -> Result<()> {
    if got == want { Ok(()) } else { Err(Error::Figure(format!("{name} has {got} values, but {of} has {want}"))) }
}

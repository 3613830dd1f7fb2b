//! LaTeX formulas as MathML.

use pulldown_latex::config::{DisplayMode, RenderConfig};
use pulldown_latex::{Parser, Storage, push_mathml};

/// No formula that a person reads is longer, and the parser's recursion must end before the stack does.
pub const MAX_LENGTH: usize = 4_000;

/// The formula as a `<math>` element, or what cannot be read in it.
///
/// The element still has to be cleaned: the text of an `\operatorname` arrives in it as it is.
pub fn render(tex: &str, display_mode: DisplayMode) -> Result<String, String> {
    if tex.len() > MAX_LENGTH {
        return Err(format!("it is {} bytes long, more than {MAX_LENGTH}: split it", tex.len()));
    }
    let storage = Storage::new();
    let events: Result<Vec<_>, _> = Parser::new(tex, &storage).collect();
    let events = events.map_err(|error| {
        let message = error.to_string();
        message.lines().next().unwrap_or("").trim().trim_start_matches("parsing error: ").to_owned()
    })?;
    let config = RenderConfig { display_mode, ..RenderConfig::default() };
    let mut mathml = String::new();
    push_mathml(&mut mathml, events.into_iter().map(Ok::<_, std::convert::Infallible>), config)
        .map_err(|error| error.to_string())?;
    Ok(mathml)
}

//! Drawing in pixels through plotters.
//!
//! plotters' SVG backend knows whole units only, so its unit is made a tenth of a pixel; and it repeats attributes on
//! every element, so what a layer has in common stands once, on a group around it.

use super::theme::{Marker, hex};
use crate::{Error, Result};
use plotters::coord::Shift;
use plotters::prelude::{Circle, DrawingArea, IntoDrawingArea, PathElement, Polygon, Rectangle, SVGBackend, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, FontTransform, RGBColor, ShapeStyle, TextStyle};

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A point on the page, in pixels.
pub(super) type Point = (f64, f64);

/// Where a text hangs on its point.
pub(super) const START: HPos = HPos::Left;
pub(super) const MIDDLE: HPos = HPos::Center;
pub(super) const END: HPos = HPos::Right;
pub(super) const TOP: VPos = VPos::Top;
pub(super) const CENTRE: VPos = VPos::Center;
pub(super) const BOTTOM: VPos = VPos::Bottom;

/// Pixels to backend units.
pub(super) fn tenths(pixels: f64) -> i32 {
    (pixels * 10.0).round().clamp(-1e6, 1e6) as i32
}

fn unit((x, y): Point) -> (i32, i32) {
    (tenths(x), tenths(y))
}

pub(super) fn failed(error: impl std::fmt::Display) -> Error {
    Error::Figure(error.to_string())
}

/// Draws a group of elements that share the attributes, and returns it as SVG.
pub(super) fn layer(
    size: (f64, f64),
    attributes: &str,
    draw: impl FnOnce(&Pen<'_, '_>) -> Result<()>,
) -> Result<String> {
    let mut document = String::new();
    {
        let size = (tenths(size.0).unsigned_abs(), tenths(size.1).unsigned_abs());
        let area = SVGBackend::with_string(&mut document, size).into_drawing_area();
        draw(&Pen { area: &area })?;
        area.present().map_err(failed)?;
    }
    let start = document.find(">\n").map_or(0, |end| end + 2);
    let end = document.rfind("</svg>").unwrap_or(document.len());
    let inner = document.get(start..end).unwrap_or_default();
    // These say what is so anyway. In text, quotes are escaped, so only attributes can match.
    let inner = inner
        .replace(" opacity=\"1\"", "")
        .replace(" stroke=\"none\"", "")
        .replace(" stroke-width=\"0\"", "")
        .replace(" text-anchor=\"start\"", "")
        .replace(" font-family=\"sans-serif\"", "")
        .replace(" \"/>", "\"/>")
        .replace(">\n", ">")
        .replace("\n</", "</");
    Ok(if inner.is_empty() { inner } else { format!("<g{attributes}>{inner}</g>\n") })
}

/// A hand that draws on one layer.
pub(super) struct Pen<'p, 'a> {
    pub(super) area: &'p Area<'a>,
}

impl Pen<'_, '_> {
    pub(super) fn line(&self, points: &[Point], colour: RGBColor, width: f64) -> Result<()> {
        let mut path: Vec<(i32, i32)> = points.iter().copied().map(unit).collect();
        path.dedup();
        self.area.draw(&PathElement::new(path, stroke(colour, width))).map_err(failed)
    }

    pub(super) fn rectangle(&self, a: Point, b: Point, colour: RGBColor) -> Result<()> {
        let (a, b) = (unit(a), unit(b));
        let corners = [(a.0.min(b.0), a.1.min(b.1)), (a.0.max(b.0), a.1.max(b.1))];
        self.area.draw(&Rectangle::new(corners, solid(colour))).map_err(failed)
    }

    pub(super) fn marker(&self, marker: Marker, (x, y): Point, radius: f64, colour: RGBColor) -> Result<()> {
        let corners = marker.corners();
        if corners.is_empty() {
            return self.area.draw(&Circle::new(unit((x, y)), tenths(radius), solid(colour))).map_err(failed);
        }
        let corners: Vec<(i32, i32)> =
            corners.iter().map(|(dx, dy)| unit((x + dx * radius, y + dy * radius))).collect();
        self.area.draw(&Polygon::new(corners, solid(colour))).map_err(failed)
    }

    pub(super) fn text(&self, text: &str, at: Point, anchor: (HPos, VPos), style: &TextStyle<'_>) -> Result<()> {
        let style = style.pos(Pos::new(anchor.0, anchor.1));
        self.area.draw(&Text::new(printable(text), unit(at), style)).map_err(failed)
    }
}

/// A line's style; the width is in pixels.
pub(super) fn stroke(colour: RGBColor, width: f64) -> ShapeStyle {
    ShapeStyle { color: colour.to_rgba(), filled: false, stroke_width: tenths(width).unsigned_abs() }
}

fn solid(colour: RGBColor) -> ShapeStyle {
    ShapeStyle { color: colour.to_rgba(), filled: true, stroke_width: 0 }
}

/// A text's style; the size is in pixels (plotters' backend divides by 1.24).
pub(super) fn font(size: f64, colour: RGBColor) -> TextStyle<'static> {
    style(size, colour, FontStyle::Normal)
}

pub(super) fn bold(size: f64, colour: RGBColor) -> TextStyle<'static> {
    style(size, colour, FontStyle::Bold)
}

fn style(size: f64, colour: RGBColor, weight: FontStyle) -> TextStyle<'static> {
    let font = TextStyle::from(FontDesc::new(FontFamily::SansSerif, size * 12.4, weight));
    TextStyle { color: colour.to_backend_color(), ..font }
}

/// Reads from bottom to top.
pub(super) fn upward(style: &TextStyle<'static>) -> TextStyle<'static> {
    style.transform(FontTransform::Rotate270)
}

/// An attribute that outlines what a group holds.
pub(super) fn outlined(colour: RGBColor, width: f64) -> String {
    format!(" stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\"", hex(colour), tenths(width))
}

/// XML has no place for control characters and two code points.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') { ' ' } else { c }).collect()
}

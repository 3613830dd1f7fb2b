//! The page around the data: title, legend, axes, guides, notes.

use super::legend::Legend;
use super::pen::{
    BOTTOM, CENTRE, END, MIDDLE, START, TOP, bold, failed, font, layer, outlined, stroke, tenths, upward,
};
use super::plan::{ColourBar, Frame, Kind, Options, Plan};
use super::scale::{Axis, Bounds, Extent};
use super::theme::{AXIS, CARD, GRID, INK, LABEL, MARGIN, MUTED, dark_rules};
use super::words::{shorten, text_width, wrap};
use crate::display::escape;
use crate::{Error, Result};
use plotters::prelude::{ChartBuilder, RGBAColor, ShapeStyle};

const TITLE: f64 = 15.0;
const TICK: f64 = 11.5;
const TICK_LENGTH: f64 = 4.0;
const BAR: f64 = 14.0;

/// The whole SVG document.
pub(super) fn draw(kind: &dyn Kind, options: &Options, text: &str) -> Result<String> {
    let (width, height) = options.size;
    if !((160.0..=4000.0).contains(&width) && (160.0..=4000.0).contains(&height)) {
        return Err(Error::Figure(format!("a size of {width} by {height} is outside 160 to 4000 pixels")));
    }
    let mut plan = kind.plan(options)?;
    include_guides(&mut plan, options)?;
    if !options.legend {
        plan.legend.clear();
    }
    let title =
        if options.title.is_empty() { Vec::new() } else { wrap(&options.title, TITLE * 1.06, width - 2.0 * MARGIN, 3) };
    let head = MARGIN + title.len() as f64 * TITLE * 1.3 + if title.is_empty() { 0.0 } else { 6.0 };
    let legend = Legend::place(&plan.legend, options.size, head);
    let frame = frame(&plan, options, head, &legend)?;

    let mut body = layer(options.size, "", |pen| pen.rectangle((0.0, 0.0), options.size, CARD))?;
    body += &mesh(&frame, &plan, options)?;
    body += &categories(&frame, &plan)?;
    body += &clipped(&frame, &kind.draw(&frame)?);
    body += &guides(&frame, options)?;
    body += &layer(options.size, "", |pen| {
        for (i, line) in title.iter().enumerate() {
            let y = MARGIN + i as f64 * TITLE * 1.3;
            pen.text(line, (width / 2.0, y), (MIDDLE, TOP), &bold(TITLE, INK))?;
        }
        legend.draw(pen, &frame)
    })?;
    if let Some(bar) = &plan.bar {
        body += &colour_bar(&frame, bar)?;
    }
    Ok(document(options.size, text, &body))
}

fn document((width, height): (f64, f64), text: &str, body: &str) -> String {
    format!(
        "<svg class=\"mln-fig\" xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {} {}\" role=\"img\" font-family=\"sans-serif\" style=\"max-width:100%;height:auto\">{}\
         <title>{}</title>\n{body}</svg>",
        tenths(width),
        tenths(height),
        dark_rules(),
        escape(text)
    )
}

/// Guides and notes are to be seen, so they widen a range that is not fixed.
fn include_guides(plan: &mut Plan, options: &Options) -> Result<()> {
    let places = options.guides.iter().map(|guide| guide.at);
    let places = places.chain(options.notes.iter().flat_map(|(x, y, _)| [*x, *y]));
    for at in places {
        if !at.is_finite() {
            return Err(Error::Figure(format!("a guide line or note stands at {at}: give it a finite place")));
        }
    }
    for guide in &options.guides {
        if guide.vertical { plan.x.include_guide(guide.at) } else { plan.y.include_guide(guide.at) }
    }
    for (x, y, _) in &options.notes {
        plan.x.include_guide(*x);
        plan.y.include_guide(*y);
    }
    Ok(())
}

/// Finds the plotting rectangle: what is left between labels whose sizes depend, in part, on it.
fn frame(plan: &Plan, options: &Options, head: f64, legend: &Legend) -> Result<Frame> {
    let (width, height) = options.size;
    let x_bounds = plan.x.resolve(options.x_range, options.log_x)?;
    let y_bounds = plan.y.resolve(options.y_range, options.log_y)?;

    let top = head + legend.top_height() + 4.0;
    let label_height = |text: &str| if text.is_empty() { 0.0 } else { LABEL * 1.3 + 5.0 };
    let bar_width = plan.bar.as_ref().map_or(0.0, |bar| 18.0 + BAR + 8.0 + bar_axis(bar, 200.0).label_width(TICK));
    let side = legend.side_width() + bar_width;

    // Row names may take a third of the page; numbers take what they need.
    let left_of = |y: &Axis| {
        let names = plan.y.names().into_iter().flatten().map(|name| text_width(name, TICK)).fold(0.0, f64::max);
        MARGIN + label_height(&options.y_label) + y.label_width(TICK).max(names.min(width / 3.0)) + 2.0 * TICK_LENGTH
    };
    let y_guess = plan.y.axis(y_bounds, height - top - 60.0, TICK, false);
    let left = left_of(&y_guess);
    let slot = |extent: &Extent, length: f64| length / extent.names().map_or(1.0, |names| names.len().max(1) as f64);
    let room = (width - left - side - MARGIN).max(1.0);
    let lines = plan.x.names().map_or(1, |names| {
        let room = slot(&plan.x, room) * sparse(names) - 6.0;
        names.iter().map(|name| wrap(name, TICK, room.max(NARROW), 3).len()).max().unwrap_or(1)
    });
    let bottom = height - MARGIN - label_height(&options.x_label) - 2.0 * TICK_LENGTH - lines as f64 * TICK * 1.25;
    let y = plan.y.axis(y_bounds, bottom - top, TICK, false);
    let left = left_of(&y);

    // The last label of the x axis is centred under its tick and needs half its width beyond the axis.
    let x = plan.x.axis(x_bounds, room, TICK, true);
    let overhang = x.ticks.last().map_or(0.0, |(_, text)| text_width(text, TICK) / 2.0);
    let right = width - MARGIN.max(overhang + 4.0) - side;
    if right - left < 60.0 || bottom - top < 50.0 {
        return Err(Error::Figure(format!(
            "{width} by {height} pixels leave no room beside title, labels and legend: make the figure larger"
        )));
    }
    let x = plan.x.axis(x_bounds, right - left, TICK, true);
    Ok(Frame { x, y, left, top, right, bottom, page: options.size })
}

/// Categories narrower than this are not all named.
const NARROW: f64 = 24.0;

/// Every how many categories are named. Where some have no name, that choice has been made already.
fn stride(names: &[String], needed: f64, slot: f64) -> usize {
    if names.iter().any(String::is_empty) { 1 } else { (needed / slot).ceil().max(1.0) as usize }
}

/// How many categories there are to a name.
fn sparse(names: &[String]) -> f64 {
    names.len() as f64 / names.iter().filter(|name| !name.is_empty()).count().max(1) as f64
}

/// Grid, axes, ticks and axis labels, by plotters.
fn mesh(frame: &Frame, plan: &Plan, options: &Options) -> Result<String> {
    layer(options.size, "", |pen| {
        let (width, height) = options.size;
        let mut chart = ChartBuilder::on(pen.area)
            .margin_top(tenths(frame.top))
            .margin_right(tenths(width - frame.right))
            .margin_left(tenths(MARGIN))
            .margin_bottom(tenths(MARGIN))
            .x_label_area_size(tenths(height - frame.bottom - MARGIN))
            .y_label_area_size(tenths(frame.left - MARGIN))
            .build_cartesian_2d(frame.x.clone(), frame.y.clone())
            .map_err(failed)?;
        let none = ShapeStyle { color: RGBAColor(0, 0, 0, 0.0), filled: false, stroke_width: 0 };
        let mut mesh = chart.configure_mesh();
        mesh.light_line_style(none)
            .bold_line_style(stroke(GRID, 1.0))
            .axis_style(stroke(AXIS, 1.0))
            .label_style(font(TICK, MUTED))
            .axis_desc_style(font(LABEL, INK))
            .set_all_tick_mark_size(tenths(TICK_LENGTH));
        if !plan.grid.0 {
            mesh.disable_x_mesh();
        }
        if !plan.grid.1 {
            mesh.disable_y_mesh();
        }
        mesh.draw().map_err(failed)?;
        // Axis titles are placed here, where long ones can be cut.
        let x_label = shorten(&options.x_label, LABEL, frame.right - MARGIN);
        let y_label = shorten(&options.y_label, LABEL, height - 2.0 * MARGIN);
        let middle = ((frame.left + frame.right) / 2.0).min(width - MARGIN - text_width(&x_label, LABEL) / 2.0);
        let centre = (frame.top + frame.bottom) / 2.0;
        let half = text_width(&y_label, LABEL) / 2.0;
        let centre = centre.clamp((MARGIN + half).min(height / 2.0), (height - MARGIN - half).max(height / 2.0));
        if !x_label.is_empty() {
            pen.text(&x_label, (middle, height - MARGIN + 2.0), (MIDDLE, BOTTOM), &font(LABEL, INK))?;
        }
        if !y_label.is_empty() {
            pen.text(&y_label, (MARGIN, centre), (MIDDLE, TOP), &upward(&font(LABEL, INK)))?;
        }
        Ok(())
    })
}

/// The names of categories, wrapped under a bar or cut beside a row.
fn categories(frame: &Frame, plan: &Plan) -> Result<String> {
    layer(frame.page, "", |pen| {
        let style = font(TICK, MUTED);
        if let Some(names) = plan.x.names() {
            let slot = (frame.right - frame.left) / names.len().max(1) as f64;
            let stride = stride(names, NARROW, slot);
            let slot_of = slot * if stride > 1 { stride as f64 } else { sparse(names) };
            for (i, name) in names.iter().enumerate().step_by(stride).filter(|(_, name)| !name.is_empty()) {
                let x = frame.left + (i as f64 + 0.5) * slot;
                for (k, line) in wrap(name, TICK, (slot_of - 6.0).max(NARROW - 6.0), 3).iter().enumerate() {
                    let y = frame.bottom + 2.0 * TICK_LENGTH + k as f64 * TICK * 1.25;
                    pen.text(line, (x, y), (MIDDLE, TOP), &style)?;
                }
            }
        }
        if let Some(names) = plan.y.names() {
            let slot = (frame.bottom - frame.top) / names.len().max(1) as f64;
            let stride = stride(names, TICK * 1.3, slot);
            for (i, name) in names.iter().enumerate().step_by(stride).filter(|(_, name)| !name.is_empty()) {
                let (_, y) = frame.at(0.0, i as f64);
                let name = shorten(name, TICK, frame.page.0 / 3.0);
                pen.text(&name, (frame.left - 2.0 * TICK_LENGTH, y), (END, CENTRE), &style)?;
            }
        }
        Ok(())
    })
}

/// A nested `<svg>` cuts what leaves the plot, and needs no id for it; markers on the edge stay whole.
fn clipped(frame: &Frame, data: &str) -> String {
    let pad = 6.0;
    let (x, y) = (tenths(frame.left - pad), tenths(frame.top - pad));
    let (w, h) = (tenths(frame.right - frame.left + 2.0 * pad), tenths(frame.bottom - frame.top + 2.0 * pad));
    format!(
        "<svg x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" viewBox=\"{x} {y} {w} {h}\" overflow=\"hidden\">\n\
         {data}</svg>\n"
    )
}

/// Guide lines and notes, above the data.
fn guides(frame: &Frame, options: &Options) -> Result<String> {
    let inside = |x: f64, y: f64| {
        x >= frame.left - 0.5 && x <= frame.right + 0.5 && y >= frame.top - 0.5 && y <= frame.bottom + 0.5
    };
    let ends = |vertical: bool, at: f64| {
        let (x, y) = if vertical { frame.at(at, frame.y.bounds.low) } else { frame.at(frame.x.bounds.low, at) };
        if vertical { [(x, frame.bottom), (x, frame.top)] } else { [(frame.left, y), (frame.right, y)] }
    };
    let shown = || options.guides.iter().filter(|g| ends(g.vertical, g.at).iter().all(|&(x, y)| inside(x, y)));
    let lines = layer(frame.page, " stroke-dasharray=\"50 40\"", |pen| {
        shown().try_for_each(|guide| pen.line(&ends(guide.vertical, guide.at), MUTED, 1.2))
    })?;
    // A halo in the card's colour keeps the words readable on data.
    let halo = outlined(CARD, 3.0) + " paint-order=\"stroke\"";
    let texts = layer(frame.page, &halo, |pen| {
        let style = font(TICK, INK);
        for guide in shown().filter(|guide| !guide.text.is_empty()) {
            let text = shorten(&guide.text, TICK, frame.right - frame.left - 16.0);
            let [_, (x, y)] = ends(guide.vertical, guide.at);
            if !guide.vertical {
                let below = y - frame.top < TICK * 1.5;
                let (dy, hang) = if below { (4.0, TOP) } else { (-4.0, BOTTOM) };
                pen.text(&text, (x - 6.0, y + dy), (END, hang), &style)?;
            } else if x + 6.0 + text_width(&text, TICK) <= frame.right {
                pen.text(&text, (x + 6.0, y + 4.0), (START, TOP), &style)?;
            } else {
                pen.text(&text, (x - 6.0, y + 4.0), (END, TOP), &style)?;
            }
        }
        for (x, y, text) in &options.notes {
            let (x, y) = frame.at(*x, *y);
            if !inside(x, y) {
                continue;
            }
            let text = shorten(text, TICK, frame.right - frame.left - 16.0);
            let fits = x + 8.0 + text_width(&text, TICK) <= frame.right;
            let (dx, anchor) = if fits { (8.0, START) } else { (-8.0, END) };
            let (dy, hang) = if y - frame.top < TICK * 2.0 { (5.0, TOP) } else { (-5.0, BOTTOM) };
            pen.text(&text, (x + dx, y + dy), (anchor, hang), &style)?;
        }
        Ok(())
    })?;
    Ok(lines + &texts)
}

fn bar_axis(bar: &ColourBar, length: f64) -> Axis {
    let bounds = Bounds { low: bar.low, high: bar.high, log: false };
    let mut extent = Extent::new(0.0);
    extent.include(&[0.5]);
    extent.axis(bounds, length, TICK, false)
}

/// Colours against numbers, right of the plot.
fn colour_bar(frame: &Frame, bar: &ColourBar) -> Result<String> {
    const STEPS: usize = 48;
    let left = frame.right + 18.0;
    let length = frame.bottom - frame.top;
    let crisp = layer(frame.page, " shape-rendering=\"crispEdges\"", |pen| {
        for i in 0..STEPS {
            let (from, to) = (i as f64 / STEPS as f64, (i + 1) as f64 / STEPS as f64);
            let colour = bar.map.at((i as f64 + 0.5) / STEPS as f64);
            let y = |t: f64| frame.bottom - (t * length * 10.0).round() / 10.0;
            pen.rectangle((left, y(from)), (left + BAR, y(to)), colour)?;
        }
        Ok(())
    })?;
    let axis = bar_axis(bar, length);
    let labels = layer(frame.page, "", |pen| {
        for (value, text) in &axis.ticks {
            let y = frame.bottom - (value - bar.low) / (bar.high - bar.low) * length;
            pen.line(&[(left + BAR, y), (left + BAR + TICK_LENGTH, y)], AXIS, 1.0)?;
            pen.text(text, (left + BAR + 2.0 * TICK_LENGTH, y), (START, CENTRE), &font(TICK, MUTED))?;
        }
        Ok(())
    })?;
    Ok(crisp + &labels)
}

//! Which series is which?

use super::pen::{CENTRE, Pen, START, font};
use super::plan::{Entry, Frame, Swatch};
use super::theme::{CARD, INK, LABEL, MARGIN};
use super::words::{shorten, text_width};
use crate::Result;

const LINE: f64 = 20.0;
/// The length of a line in the legend.
const SWATCH: f64 = 26.0;
/// The width of any other sample.
const SAMPLE: f64 = 14.0;

/// Where the legend stands: beside the plot if it fits there, in rows above it otherwise.
pub(super) enum Legend {
    None,
    Side { entries: Vec<Entry>, width: f64 },
    Top { rows: Vec<Vec<(Entry, f64)>>, y: f64 },
}

impl Legend {
    pub(super) fn place(entries: &[Entry], (width, height): (f64, f64), head: f64) -> Self {
        let entries: Vec<Entry> = entries.iter().filter(|entry| !entry.name.trim().is_empty()).cloned().collect();
        if entries.is_empty() {
            return Self::None;
        }
        let widest = entries.iter().map(|entry| text_width(&entry.name, LABEL)).fold(0.0, f64::max);
        let swatch = entries.iter().map(Entry::swatch_width).fold(0.0, f64::max);
        let fits = entries.len() as f64 * LINE <= height - head - 60.0;
        if fits && widest + swatch <= width * 0.28 {
            return Self::Side { entries, width: 16.0 + swatch + 6.0 + widest };
        }
        let room = width - 2.0 * MARGIN;
        let most = (((height - head) * 0.3) / LINE).floor().max(1.0) as usize;
        let total = entries.len();
        // Names are cut where two fit in a row only so.
        let half = room / 2.0 - swatch - 24.0;
        let name_room = if total > most { half } else { room - swatch - 80.0 };
        let mut rows: Vec<Vec<(Entry, f64)>> = vec![Vec::new()];
        let mut used = 0.0;
        for (i, mut entry) in entries.into_iter().enumerate() {
            entry.name = shorten(&entry.name, LABEL, name_room);
            let need = swatch + 6.0 + text_width(&entry.name, LABEL) + 18.0;
            // The last row keeps room to say how many are left out.
            let reserve = if rows.len() == most && i + 1 < total { text_width("and 999 more", LABEL) } else { 0.0 };
            if used + need > room - reserve && used > 0.0 {
                if rows.len() == most {
                    let name = format!("and {} more", total - i);
                    let rest = Entry { name, colour: CARD, swatch: Swatch::Box };
                    rows[most - 1].push((rest, 0.0));
                    break;
                }
                rows.push(Vec::new());
                used = 0.0;
            }
            used += need;
            if let Some(row) = rows.last_mut() {
                row.push((entry, need));
            }
        }
        Self::Top { rows, y: head }
    }

    pub(super) fn top_height(&self) -> f64 {
        if let Self::Top { rows, .. } = self { rows.len() as f64 * LINE + 4.0 } else { 0.0 }
    }

    pub(super) fn side_width(&self) -> f64 {
        if let Self::Side { width, .. } = self { *width } else { 0.0 }
    }

    pub(super) fn draw(&self, pen: &Pen<'_, '_>, frame: &Frame) -> Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Side { entries, .. } => entries
                .iter()
                .enumerate()
                .try_for_each(|(i, entry)| entry.draw(pen, frame.right + 16.0, frame.top + (i as f64 + 0.5) * LINE)),
            Self::Top { rows, y } => rows.iter().enumerate().try_for_each(|(i, row)| {
                let mut x = frame.left.min(MARGIN + 30.0);
                row.iter().try_for_each(|(entry, need)| {
                    entry.draw(pen, x, y + (i as f64 + 0.5) * LINE)?;
                    x += need;
                    Ok(())
                })
            }),
        }
    }
}

impl Entry {
    fn swatch_width(&self) -> f64 {
        if let Swatch::Line { .. } = self.swatch { SWATCH } else { SAMPLE }
    }

    fn draw(&self, pen: &Pen<'_, '_>, x: f64, y: f64) -> Result<()> {
        let middle = (x + self.swatch_width() / 2.0, y);
        match self.swatch {
            Swatch::Line { dash, marker } => {
                // The dash pattern of the line itself, drawn piece by piece: this layer holds other things too.
                let mut pieces = dash.split(' ').filter_map(|n| n.parse::<f64>().ok()).map(|n| n / 10.0);
                let (on, off) = (pieces.next().unwrap_or(SWATCH), pieces.next().unwrap_or(0.0));
                let mut from = x;
                while from < x + SWATCH - 0.5 {
                    pen.line(&[(from, y), ((from + on).min(x + SWATCH), y)], self.colour, 2.0)?;
                    from += on + off;
                }
                marker.map_or(Ok(()), |marker| pen.marker(marker, middle, 3.2, self.colour))?;
            }
            Swatch::Point(marker) => pen.marker(marker, middle, 4.2, self.colour)?,
            Swatch::Box => pen.rectangle((x, y - 6.0), (x + SAMPLE, y + 6.0), self.colour)?,
        }
        pen.text(&self.name, (x + self.swatch_width() + 6.0, y), (START, CENTRE), &font(LABEL, INK))
    }
}

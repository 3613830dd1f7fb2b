//! Colours, markers and dashes: three cues, so that no series is told apart by colour alone. And the sizes of the page.

use plotters::style::RGBColor;

pub(super) const CARD: RGBColor = RGBColor(0xff, 0xff, 0xff);
pub(super) const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
pub(super) const MUTED: RGBColor = RGBColor(0x57, 0x60, 0x6a);
pub(super) const AXIS: RGBColor = RGBColor(0x8c, 0x95, 0x9f);
pub(super) const GRID: RGBColor = RGBColor(0xe3, 0xe6, 0xea);
/// Text on a coloured cell keeps its colour in dark mode, so these two have no dark counterpart.
pub(super) const ON_DARK: RGBColor = RGBColor(0xfe, 0xfe, 0xfe);
pub(super) const ON_LIGHT: RGBColor = RGBColor(0x11, 0x11, 0x11);

/// Free space at the page's edges, in pixels.
pub(super) const MARGIN: f64 = 14.0;
/// The size of letters in legends and beside axes, in pixels.
pub(super) const LABEL: f64 = 12.5;

/// Okabe and Ito's colours (Color Universal Design, 2008) without the yellow, which is lost on white.
const PALETTE: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x4d, 0x4d, 0x4d),
];

/// The same order, lightened for a dark card.
const DARK_PALETTE: [RGBColor; 7] = [
    RGBColor(0x4d, 0xa6, 0xe0),
    RGBColor(0xff, 0x8a, 0x4c),
    RGBColor(0x33, 0xc7, 0x9a),
    RGBColor(0xe2, 0x9a, 0xc0),
    RGBColor(0xf2, 0xb6, 0x32),
    RGBColor(0x9f, 0xd6, 0xf7),
    RGBColor(0xc8, 0xc8, 0xc8),
];

const DARK: [(RGBColor, RGBColor); 5] = [
    (CARD, RGBColor(0x16, 0x1b, 0x22)),
    (INK, RGBColor(0xe6, 0xed, 0xf3)),
    (MUTED, RGBColor(0x9a, 0xa4, 0xb0)),
    (AXIS, RGBColor(0x6e, 0x77, 0x81)),
    (GRID, RGBColor(0x2f, 0x35, 0x3d)),
];

/// As plotters writes it, since the dark-mode rules match the text.
pub(super) fn hex(RGBColor(r, g, b): RGBColor) -> String {
    format!("#{r:02X}{g:02X}{b:02X}")
}

/// The colour of the i-th series or class.
pub(super) fn colour(i: usize) -> RGBColor {
    PALETTE[i % PALETTE.len()]
}

/// The marker of the i-th class: 5 markers against 7 colours, so pairs recur after 35 classes.
pub(super) fn marker(i: usize) -> Marker {
    const ORDER: [Marker; 5] = [Marker::Circle, Marker::Square, Marker::Triangle, Marker::Diamond, Marker::Wedge];
    ORDER[i % ORDER.len()]
}

/// Dash and gap of the i-th line in tenths of a pixel, empty for a solid one; pairs with colours recur after 28 lines.
pub(super) fn dash(i: usize) -> &'static str {
    ["", "70 40", "20 30", "140 40"][i % 4]
}

/// The shape of a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    /// A triangle on its tip.
    Wedge,
}

impl Marker {
    /// The corners around (0, 0) for a radius of 1; a circle has none.
    pub(super) fn corners(self) -> &'static [(f64, f64)] {
        match self {
            Self::Circle => &[],
            Self::Square => &[(-0.87, -0.87), (0.87, -0.87), (0.87, 0.87), (-0.87, 0.87)],
            Self::Triangle => &[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)],
            Self::Diamond => &[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)],
            Self::Wedge => &[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)],
        }
    }
}

/// The rules that repaint a figure where the reader prefers dark pages. They match by colour and only inside
/// `.mln-fig`, so several figures in one page agree instead of clashing.
pub(super) fn dark_rules() -> String {
    let pairs = DARK.into_iter().chain(PALETTE.into_iter().zip(DARK_PALETTE));
    let rules: String = pairs
        .map(|(light, dark)| {
            let (light, dark) = (hex(light), hex(dark));
            format!(".mln-fig [fill=\"{light}\"]{{fill:{dark}}}.mln-fig [stroke=\"{light}\"]{{stroke:{dark}}}")
        })
        .collect();
    format!("<style>@media (prefers-color-scheme:dark){{{rules}}}</style>")
}

/// A colour map by its stops at equal distances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ColourMap {
    /// From dark violet to yellow with evenly rising lightness (viridis, by S. van der Walt and N. Smith, CC0).
    Sequential,
    /// Blue below the middle, vermilion above it.
    Diverging,
}

impl ColourMap {
    fn stops(self) -> &'static [(u8, u8, u8)] {
        match self {
            Self::Sequential => &[
                (68, 1, 84),
                (71, 44, 122),
                (59, 81, 139),
                (44, 113, 142),
                (33, 144, 141),
                (39, 173, 129),
                (92, 200, 99),
                (170, 220, 50),
                (253, 231, 37),
            ],
            Self::Diverging => &[(0, 82, 140), (86, 154, 205), (247, 247, 247), (233, 142, 78), (166, 64, 0)],
        }
    }

    /// The colour at `t` in [0, 1].
    pub(super) fn at(self, t: f64) -> RGBColor {
        let stops = self.stops();
        let place = t.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
        let i = (place as usize).min(stops.len() - 2);
        let f = place - i as f64;
        let mix = |a: u8, b: u8| (f64::from(a) + f * (f64::from(b) - f64::from(a))).round() as u8;
        let (a, b) = (stops[i], stops[i + 1]);
        RGBColor(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
    }

    /// Dark or light text, whichever is read more easily on the colour at `t`.
    pub(super) fn text_on(self, t: f64) -> RGBColor {
        let RGBColor(r, g, b) = self.at(t);
        let lightness = 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
        if lightness > 140.0 { ON_LIGHT } else { ON_DARK }
    }
}

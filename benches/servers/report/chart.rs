//! Bar charts in SVG: groups of bars, one bar for each server.

use std::fmt::Write as _;

/// Left of the bars, in pixels: the groups' names.
const LABELS_WIDTH: f64 = 330.0;
const BARS_WIDTH: f64 = 480.0;
/// Right of the bars: what they come to in words.
const NOTES_WIDTH: f64 = 170.0;
const BAR_HEIGHT: f64 = 13.0;
const GROUP_GAP: f64 = 9.0;
const TOP: f64 = 62.0;

/// To be told apart by those who see colours differently, on light and on dark ground.
const COLORS: [&str; 5] = ["#2f7ed8", "#e07b39", "#7a9e3b", "#9b6fc2", "#8c8c8c"];

/// How a value becomes a length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    Linear,
    /// For values of different magnitudes; the axis begins at the power of ten below the least.
    Logarithmic,
}

/// A bar.
pub(super) struct Bar {
    pub(super) peer: String,
    pub(super) value: f64,
    /// Stands behind the bar.
    pub(super) note: String,
}

pub(super) struct Chart {
    pub(super) title: &'static str,
    /// What the lengths are.
    pub(super) axis: &'static str,
    pub(super) scale: Scale,
    /// A value that a line is drawn at.
    pub(super) line_at: Option<f64>,
    pub(super) groups: Vec<(String, Vec<Bar>)>,
}

impl Chart {
    pub(super) fn draw(&self) -> String {
        let bars: usize = self.groups.iter().map(|(_, bars)| bars.len()).sum();
        let height = TOP + bars as f64 * BAR_HEIGHT + self.groups.len() as f64 * GROUP_GAP + 12.0;
        let width = LABELS_WIDTH + BARS_WIDTH + NOTES_WIDTH;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
        );
        self.draw_text(&mut out, 10.0, 20.0, "start", 15, self.title);
        self.draw_text(&mut out, LABELS_WIDTH, 40.0, "start", 11, self.axis);
        let peers = self.list_peers();
        for (index, peer) in peers.iter().enumerate() {
            let x = 10.0 + 110.0 * index as f64;
            let color = COLORS[index % COLORS.len()];
            let _ = writeln!(out, "<rect x=\"{x}\" y=\"31\" width=\"10\" height=\"10\" fill=\"{color}\"/>");
            self.draw_text(&mut out, x + 14.0, 40.0, "start", 11, peer);
        }
        let (mut y, bottom) = (TOP, height - 8.0);
        for (label, bars) in &self.groups {
            let middle = y + bars.len() as f64 * BAR_HEIGHT / 2.0 + 4.0;
            self.draw_text(&mut out, LABELS_WIDTH - 8.0, middle, "end", 11, label);
            for bar in bars {
                let color = peers.iter().position(|peer| *peer == bar.peer).unwrap_or(0) % COLORS.len();
                let length = self.find_length(bar.value);
                let _ = writeln!(
                    out,
                    "<rect x=\"{LABELS_WIDTH}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{:.1}\" fill=\"{}\"/>",
                    BAR_HEIGHT - 2.0,
                    COLORS[color]
                );
                self.draw_text(&mut out, LABELS_WIDTH + length + 5.0, y + 9.5, "start", 10, &bar.note);
                y += BAR_HEIGHT;
            }
            y += GROUP_GAP;
        }
        if let Some(value) = self.line_at {
            let x = LABELS_WIDTH + self.find_length(value);
            let _ = writeln!(
                out,
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{bottom:.1}\" stroke=\"#333333\" stroke-dasharray=\"3 3\"/>",
                TOP - 8.0
            );
        }
        out.push_str("</svg>\n");
        out
    }

    fn draw_text(&self, out: &mut String, x: f64, y: f64, anchor: &str, size: u32, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            out,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\" fill=\"#222222\">{text}</text>"
        );
    }

    /// In the order of their first bars.
    fn list_peers(&self) -> Vec<String> {
        let mut peers: Vec<String> = Vec::new();
        for bar in self.groups.iter().flat_map(|(_, bars)| bars) {
            if !peers.contains(&bar.peer) {
                peers.push(bar.peer.clone());
            }
        }
        peers
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.groups.iter().flat_map(|(_, bars)| bars).map(|bar| bar.value).filter(|value| *value > 0.0)
    }

    fn find_length(&self, value: f64) -> f64 {
        let greatest = self.values().chain(self.line_at).fold(f64::MIN_POSITIVE, f64::max);
        let share = match self.scale {
            Scale::Linear => value / greatest,
            Scale::Logarithmic => {
                let least = 10_f64.powf(self.values().fold(greatest, f64::min).log10().floor());
                (value.max(least) / least).log10() / (greatest * 1.01 / least).log10()
            }
        };
        BARS_WIDTH * share.clamp(0.0, 1.0)
    }
}

pub(crate) fn check_drawing() {
    let bar = |peer: &str, value| Bar { peer: peer.to_owned(), value, note: format!("{value}") };
    let mut chart = Chart {
        title: "a < b",
        axis: "us",
        scale: Scale::Linear,
        line_at: None,
        groups: vec![("one".to_owned(), vec![bar("x", 1.0), bar("y", 4.0)])],
    };
    assert_eq!([1.0, 4.0].map(|value| chart.find_length(value)), [BARS_WIDTH / 4.0, BARS_WIDTH]);
    assert!(chart.draw().contains("a &lt; b") && chart.draw().ends_with("</svg>\n"));
    chart.scale = Scale::Logarithmic;
    assert_eq!(chart.find_length(1.0), 0.0);
    assert!(chart.find_length(4.0) > BARS_WIDTH * 0.9);
}

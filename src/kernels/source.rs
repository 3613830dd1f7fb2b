//! The kernel sources that this crate carries.

/// CUDA C++ text and the name that its error messages go by.
///
/// ```
/// use mlnotes::kernels::PREFIX_SUM;
///
/// assert_eq!(PREFIX_SUM.name, "prefix_sum.cu");
/// assert_eq!(PREFIX_SUM.kernels().len(), 10);
/// assert_eq!(PREFIX_SUM.kernels()[0], "prefix_sum_v1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file's name.
    pub name: &'static str,
    /// What it holds.
    pub text: &'static str,
}

/// Prefix sums: `kernels/prefix_sum.cu`.
pub const PREFIX_SUM: Source = Source { name: "prefix_sum.cu", text: include_str!("../../kernels/prefix_sum.cu") };

/// Mamba's selective scan: `kernels/selective_scan.cu`.
pub const SELECTIVE_SCAN: Source =
    Source { name: "selective_scan.cu", text: include_str!("../../kernels/selective_scan.cu") };

/// All of them.
pub const SOURCES: [Source; 2] = [PREFIX_SUM, SELECTIVE_SCAN];

impl Source {
    /// The names of its kernels, in the order of the text.
    pub fn kernels(&self) -> Vec<String> {
        kernels(self.text)
    }
}

/// The names that follow `extern "C" __global__ void`, `__launch_bounds__(…)` skipped.
pub(super) fn kernels(text: &str) -> Vec<String> {
    let code: String = text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join(" ");
    let after = code.split("extern \"C\" __global__").skip(1);
    after.filter_map(|rest| name(rest.split_once('(')?.0, rest)).collect()
}

fn name(head: &str, rest: &str) -> Option<String> {
    let word = head.split_whitespace().last()?;
    if word != "__launch_bounds__" {
        return Some(word.to_string());
    }
    let (_, after) = rest.split_once(')')?;
    Some(after.split_once('(')?.0.split_whitespace().last()?.to_string())
}

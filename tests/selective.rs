//! The selective scan: steps by hand, finite differences, and what is refused.

use mlnotes::prelude::*;
use mlnotes::ssm::selective::{
    Element, Gradients, Inputs, Outputs, Shape, selective_scan_backward_stored, selective_scan_seq,
};
use rustfft::num_complex::Complex;

use crate::message;

fn shape(batch: usize, length: usize, channels: usize, state: usize) -> Shape {
    Shape { batch, length, channels, state }
}

/// What a scan of one kind of number reads.
#[derive(Clone)]
struct Example<E: Element> {
    shape: Shape,
    u: Vec<E::Real>,
    delta: Vec<E::Real>,
    a: Vec<E>,
    b: Vec<E>,
    c: Vec<E>,
    d: Option<Vec<E::Real>>,
    z: Option<Vec<E::Real>>,
    bias: Option<Vec<E::Real>>,
    initial: Option<Vec<E>>,
    softplus: bool,
}

impl<E: Element> Example<E> {
    fn inputs(&self) -> Inputs<'_, E> {
        let mut inputs = Inputs::new(self.shape, &self.u, &self.delta, &self.a, &self.b, &self.c).unwrap();
        inputs = self.d.as_ref().map_or(inputs, |d| inputs.d(d).unwrap());
        inputs = self.z.as_ref().map_or(inputs, |z| inputs.z(z).unwrap());
        inputs = self.bias.as_ref().map_or(inputs, |bias| inputs.delta_bias(bias).unwrap());
        inputs = self.initial.as_ref().map_or(inputs, |initial| inputs.initial(initial).unwrap());
        inputs.softplus(self.softplus)
    }
}

/// Which of D, z, bias with softplus, and initial state there are, as bits.
fn example(shape: Shape, parts: u32, seed: u32) -> Example<f64> {
    let mut random = RandomState::new(seed);
    let mut normal = |n: usize| random.normal_array(n).to_vec();
    let (sequence, states) = (shape.batch * shape.length * shape.channels, shape.batch * shape.channels * shape.state);
    let projection = shape.batch * shape.length * shape.state;
    let delta = normal(sequence);
    let softplus = parts & 4 != 0;
    Example {
        shape,
        u: normal(sequence),
        delta: if softplus { delta } else { delta.iter().map(|delta| 0.2 * delta.abs()).collect() },
        a: normal(shape.channels * shape.state).iter().map(|a| -a.exp()).collect(),
        b: normal(projection),
        c: normal(projection),
        d: (parts & 1 != 0).then(|| normal(shape.channels)),
        z: (parts & 2 != 0).then(|| normal(sequence)),
        bias: softplus.then(|| normal(shape.channels)),
        initial: (parts & 8 != 0).then(|| normal(states)),
        softplus,
    }
}

/// The same with imaginary parts.
fn complex(real: Example<f64>, seed: u32) -> Example<Complex<f64>> {
    let mut random = RandomState::new(seed);
    let mut with = |real: &Vec<f64>| -> Vec<Complex<f64>> {
        real.iter().map(|&re| Complex::new(re, 2.0 * random.normal())).collect()
    };
    Example {
        a: with(&real.a),
        b: with(&real.b),
        c: with(&real.c),
        initial: real.initial.as_ref().map(&mut with),
        shape: real.shape,
        u: real.u,
        delta: real.delta,
        d: real.d,
        z: real.z,
        bias: real.bias,
        softplus: real.softplus,
    }
}

#[track_caller]
fn assert_slices_close(got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= tolerance * (1.0 + want.abs()), "{got} for {want} at {i}");
    }
}

/// Planted: exp(A) for exp(ΔA); h_{t−1} read out for h_t; the gate without z.
#[test]
fn two_steps_by_hand() {
    let silu = |z: f64| z / (1.0 + (-z).exp());
    let (a, b, c) = ([-1.0, -2.0], [1.0, 2.0, 3.0, 4.0], [0.5, -1.0, 2.0, 1.0]);
    let (u, delta, d, z, initial) = ([3.0, -2.0], [0.1, 0.4], [0.7], [1.5, -0.5], [10.0, 20.0]);
    let first = [f64::exp(-0.1) * 10.0 + 0.1 * 1.0 * 3.0, f64::exp(-0.2) * 20.0 + 0.1 * 2.0 * 3.0];
    let second = [f64::exp(-0.4) * first[0] - 0.4 * 3.0 * 2.0, f64::exp(-0.8) * first[1] - 0.4 * 4.0 * 2.0];
    let want =
        [(0.5 * first[0] - first[1] + 0.7 * 3.0) * silu(1.5), (2.0 * second[0] + second[1] - 0.7 * 2.0) * silu(-0.5)];
    let inputs = Inputs::new(shape(1, 2, 1, 2), &u, &delta, &a, &b, &c).unwrap();
    let inputs = inputs.d(&d).unwrap().z(&z).unwrap().initial(&initial).unwrap();
    let outputs = selective_scan_seq(&inputs).unwrap();
    assert_slices_close(&outputs.y, &want, 1e-15);
    assert_slices_close(&outputs.last, &second, 1e-15);
}

/// A loss that weighs every output: Σ y w + Σ Re(conj(v) h_L).
fn loss<E: Element>(outputs: &Outputs<E>, w: &[E::Real], v: &[f64], flat: impl Fn(&[E]) -> Vec<f64>) -> f64 {
    let y: f64 = outputs.y.iter().zip(w).map(|(&y, &w)| y.into() * w.into()).sum();
    y + flat(&outputs.last).iter().zip(v).map(|(h, v)| h * v).sum::<f64>()
}

/// Parts of a complex number one after the other, and back.
fn flat(values: &[Complex<f64>]) -> Vec<f64> {
    values.iter().flat_map(|value| [value.re, value.im]).collect()
}

fn entries(values: &[f64]) -> Vec<Complex<f64>> {
    values.chunks_exact(2).map(|part| Complex::new(part[0], part[1])).collect()
}

/// (f(x + ε) − f(x − ε)) / 2ε for each entry, with the error of order ε² taken out by a second ε.
fn slopes(x: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let slope = |i: usize, step: f64| {
        let moved = |by: f64| {
            let mut x = x.to_vec();
            x[i] += by;
            f(&x)
        };
        (moved(step) - moved(-step)) / (2.0 * step)
    };
    (0..x.len()).map(|i| (4.0 * slope(i, 5e-4) - slope(i, 1e-3)) / 3.0).collect()
}

/// Planted: ∂u without Δ; softplus' slope left out; A's gradient with h_t for h_{t−1}; g not started with `dlast`; SiLU′ without
/// its second term; the conjugate of C left out, which real numbers do not show.
#[test]
fn gradients_are_slopes() {
    for parts in [0, 1, 2, 5, 15] {
        let example = example(shape(2, 5, 3, 2), parts, 3);
        let mut random = RandomState::new(4);
        let w = random.normal_array(30).to_vec();
        let v = random.normal_array(24).to_vec();
        real_slopes(&example, &w, &v[..12]);
        complex_slopes(&complex(example, 5), &w, &v);
    }
}

fn real_slopes(example: &Example<f64>, w: &[f64], v: &[f64]) {
    let got = selective_scan_backward_stored(&example.inputs(), w, Some(v)).unwrap();
    let check = |got: &[f64], x: &[f64], set: &dyn Fn(&mut Example<f64>, Vec<f64>)| {
        let f = |x: &[f64]| {
            let mut moved = example.clone();
            set(&mut moved, x.to_vec());
            loss(&selective_scan_seq(&moved.inputs()).unwrap(), w, v, |h| h.to_vec())
        };
        assert_slices_close(got, &slopes(x, f), 1e-8);
    };
    check(&got.u, &example.u, &|e, x| e.u = x);
    check(&got.delta, &example.delta, &|e, x| e.delta = x);
    check(&got.a, &example.a, &|e, x| e.a = x);
    check(&got.b, &example.b, &|e, x| e.b = x);
    check(&got.c, &example.c, &|e, x| e.c = x);
    let zeros = vec![0.0; got.initial.len()];
    check(&got.initial, example.initial.as_ref().unwrap_or(&zeros), &|e, x| e.initial = Some(x));
    let maybe = |got: &Option<Vec<f64>>, x: &Option<Vec<f64>>, set: &dyn Fn(&mut Example<f64>, Vec<f64>)| {
        assert_eq!(got.is_some(), x.is_some());
        if let (Some(got), Some(x)) = (got, x) {
            check(got, x, set);
        }
    };
    maybe(&got.d, &example.d, &|e, x| e.d = Some(x));
    maybe(&got.z, &example.z, &|e, x| e.z = Some(x));
    maybe(&got.delta_bias, &example.bias, &|e, x| e.bias = Some(x));
}

fn complex_slopes(example: &Example<Complex<f64>>, w: &[f64], v: &[f64]) {
    type Set<'a> = &'a dyn Fn(&mut Example<Complex<f64>>, Vec<f64>);
    let got: Gradients<Complex<f64>> = selective_scan_backward_stored(&example.inputs(), w, Some(&entries(v))).unwrap();
    let check = |got: &[f64], x: &[f64], set: Set| {
        let f = |x: &[f64]| {
            let mut moved = example.clone();
            set(&mut moved, x.to_vec());
            loss(&selective_scan_seq(&moved.inputs()).unwrap(), w, v, flat)
        };
        assert_slices_close(got, &slopes(x, f), 1e-8);
    };
    check(&got.u, &example.u, &|e, x| e.u = x);
    check(&got.delta, &example.delta, &|e, x| e.delta = x);
    check(&flat(&got.a), &flat(&example.a), &|e, x| e.a = entries(&x));
    check(&flat(&got.b), &flat(&example.b), &|e, x| e.b = entries(&x));
    check(&flat(&got.c), &flat(&example.c), &|e, x| e.c = entries(&x));
    if let Some(initial) = &example.initial {
        check(&flat(&got.initial), &flat(initial), &|e, x| e.initial = Some(entries(&x)));
    }
    if let (Some(got), Some(z)) = (&got.z, &example.z) {
        check(got, z, &|e, x| e.z = Some(x));
    }
}

/// With B and C such that Ā, B̄, C of a complex pair make a real system: cos and sin.
#[test]
fn a_complex_state_is_a_damped_oscillation() {
    let (decay, frequency) = (0.1_f64, 0.7_f64);
    let a = [Complex::new(-decay, frequency)];
    let one = [Complex::new(1.0, 0.0); 20];
    let mut u = [0.0; 20];
    u[0] = 1.0;
    let inputs = Inputs::new(shape(1, 20, 1, 1), &u, &[1.0; 20], &a, &one, &one).unwrap();
    let y = selective_scan_seq(&inputs).unwrap().y;
    let want: Vec<f64> = (0..20).map(|t| 2.0 * (-decay * t as f64).exp() * (frequency * t as f64).cos()).collect();
    assert_slices_close(&y, &want, 1e-14);
}

#[test]
fn nothing_to_scan_leaves_the_state() {
    let initial = [1.0, 2.0];
    let inputs = Inputs::new(shape(1, 0, 1, 2), &[], &[], &[-1.0; 2], &[], &[]).unwrap().initial(&initial).unwrap();
    let outputs = selective_scan_seq(&inputs).unwrap();
    assert_eq!((outputs.y.len(), outputs.last), (0, vec![1.0, 2.0]));
    let none = Inputs::new(shape(0, 4, 1, 2), &[], &[], &[-1.0; 2], &[], &[]).unwrap();
    assert_eq!(selective_scan_seq(&none).unwrap(), Outputs { y: vec![], last: vec![] });
    let gradients = selective_scan_backward_stored(&inputs, &[], Some(&[3.0, 4.0])).unwrap();
    assert_eq!(gradients.initial, [3.0, 4.0]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let one = [1.0];
    let new = |u, a, c| Inputs::new(shape(1, 1, 1, 1), u, &one, a, &one, c).map(|_| ());
    assert!(message(new(&[1.0, 2.0], &[-1.0], &one)).contains("`u` has the shape [2], but [1, 1, 1]"));
    assert!(message(new(&one, &[f64::NAN], &one)).contains("`a` holds NaN at [0, 0]"));
    assert!(message(new(&one, &[f64::NEG_INFINITY], &one)).contains("`a` holds -inf"));
    assert!(message(new(&one, &[-1.0], &[])).contains("`c`"));
    let of = |shape| Inputs::new(shape, &one, &one, &[-1.0], &one, &one).map(|_| ());
    assert!(message(of(shape(1, 1, 0, 1))).contains("at least one channel"));
    assert!(message(of(shape(1, 1, 1, 0))).contains("at least one state"));
    assert!(message(of(shape(usize::MAX, 2, 2, 1))).contains("small enough"));
}

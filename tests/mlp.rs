//! Back-propagation against torch, finite differences, and networks small enough for the hand.

use mlnotes::mlp::{Dense, DenseGradient, Sgd, dense_backward, dense_parameters, flatten, gradient_check, sgd_step};
use mlnotes::prelude::*;
use ndarray::{Array4, Ix1, Ix2};

use crate::{assert_close, message};

const HIDDEN: [(&str, Activation); 4] = [
    ("identity", Activation::Identity),
    ("tanh", Activation::Tanh),
    ("relu", Activation::Relu),
    ("sigmoid", Activation::Sigmoid),
];
const ENDS: [(&str, Activation, Loss); 3] = [
    ("mse_identity", Activation::Identity, Loss::MeanSquared),
    ("mse_sigmoid", Activation::Sigmoid, Loss::MeanSquared),
    ("ce_softmax", Activation::Softmax, Loss::CrossEntropy),
];

/// The network that torch started from, layer by layer.
fn network(torch: &Reference, activations: &[Activation], loss: Loss) -> Network {
    let layer = |(index, &activation): (usize, &Activation)| {
        let weights = torch.array(&format!("start_weight_{index}")).unwrap();
        Dense::new(weights, torch.array(&format!("start_bias_{index}")).unwrap(), activation).unwrap()
    };
    Network::from_layers(activations.iter().enumerate().map(layer).collect(), loss).unwrap()
}

/// Every combination of activations and losses: (torch's values, our network, inputs, targets).
fn small_cases() -> impl Iterator<Item = (Reference, Network, Array2<f64>, Array2<f64>)> {
    HIDDEN.into_iter().flat_map(|(hidden, f)| {
        ENDS.into_iter().map(move |(end, output, loss)| {
            let torch = Reference::load("mlp", &format!("{hidden}_{end}")).unwrap();
            let network = network(&torch, &[f, f, output], loss);
            let targets = match loss {
                Loss::MeanSquared => torch.array("targets").unwrap(),
                Loss::CrossEntropy => one_hot(&torch.labels("targets").unwrap(), 2).unwrap(),
            };
            let x = torch.array("x").unwrap();
            (torch, network, x, targets)
        })
    })
}

/// Planted: tanh′ = 1 − a; δ taken before the activation; the mean over samples only in MSE; ∂L/∂W with the other sign.
/// The tolerance is a few roundings of numbers near 1.
#[test]
fn forward_and_gradients_are_torchs() {
    for (torch, network, x, targets) in small_cases() {
        let forward = network.forward(&x).unwrap();
        for index in 0..3 {
            assert_close(&forward.sums[index], &torch.array(&format!("sum_{index}")).unwrap(), 1e-12);
            if network.layers()[index].activation() != Activation::Softmax {
                let want = torch.array(&format!("activation_{index}")).unwrap();
                assert_close(&forward.activations[index + 1], &want, 1e-12);
            }
        }
        let (loss, gradients) = network.backward(&x, &targets).unwrap();
        let losses: Array1<f64> = torch.array("losses").unwrap();
        assert!((loss - losses[0]).abs() < 1e-12);
        assert_eq!(loss, network.evaluate(&x, &targets).unwrap());
        for (index, DenseGradient { weights, bias }) in gradients.iter().enumerate() {
            assert_close(weights, &torch.array::<Ix2>(&format!("gradient_weight_{index}")).unwrap(), 1e-12);
            assert_close(bias, &torch.array::<Ix1>(&format!("gradient_bias_{index}")).unwrap(), 1e-12);
        }
    }
}

/// Planted: v ← μ v + (1 − μ) g.
#[test]
fn five_steps_with_momentum_are_torchs() {
    for (torch, start, x, targets) in small_cases() {
        let end = Sgd::new().learning_rate(0.1).momentum(0.9).epochs(5).fit_values(&start, &x, &targets).unwrap();
        assert_close(&Array1::from(end.losses().to_vec()), &torch.array("losses").unwrap(), 1e-12);
        let (mut stepped, mut velocity) = (start.clone(), Vec::new());
        for _ in 0..5 {
            let (_, gradients) = stepped.backward(&x, &targets).unwrap();
            sgd_step(&mut stepped, &gradients, &mut velocity, 0.1, 0.9).unwrap();
        }
        for (index, layer) in end.layers().iter().enumerate() {
            assert_close(layer.weights(), &torch.array::<Ix2>(&format!("end_weight_{index}")).unwrap(), 1e-12);
            assert_close(layer.bias(), &torch.array::<Ix1>(&format!("end_bias_{index}")).unwrap(), 1e-12);
            assert_eq!(layer, &stepped.layers()[index]);
        }
    }
}

/// The other oracle. Planted: as above, each; and a softmax that forgets its mean, which only this test sees.
#[test]
fn gradients_are_central_differences() {
    for (_, network, x, targets) in small_cases() {
        let error = gradient_check(&network, &x, &targets).unwrap();
        assert!(error < 1e-7, "{network:?}: {error:.1e}");
    }
    // A softmax inside, and targets that are shares and not classes.
    let mut random = RandomState::new(8);
    let inner = Dense::new(random.normal_array((4, 3)), random.normal_array(4), Activation::Softmax).unwrap();
    let outer = Dense::new(random.normal_array((2, 4)), random.normal_array(2), Activation::Softmax).unwrap();
    let network = Network::from_layers(vec![inner, outer], Loss::CrossEntropy).unwrap();
    let shares = array![[0.3, 0.7], [1.0, 0.0]];
    assert!(gradient_check(&network, &random.normal_array((2, 3)), &shares).unwrap() < 1e-7);
}

/// The check must find a wrong gradient: at a kink the two rightly differ.
#[test]
fn the_gradient_check_fails_when_it_must() {
    let kink = Dense::new(array![[1.0]], array![0.0], Activation::Relu).unwrap();
    let network = Network::from_layers(vec![kink], Loss::MeanSquared).unwrap();
    assert!(gradient_check(&network, &array![[0.0]], &array![[1.0]]).unwrap() > 0.5);
}

/// 400 steps of mini-batches in RandomState's order. Rounding grows along the way, hence 1e-10. Planted: the order not
/// shuffled on but drawn anew; a last batch that is dropped.
#[test]
fn a_training_on_iris_is_torchs() {
    let torch = Reference::load("mlp", "iris").unwrap();
    let start = network(&torch, &[Activation::Tanh, Activation::Softmax], Loss::CrossEntropy);
    let (x, classes) = (torch.array("x").unwrap(), torch.labels("classes").unwrap());
    let options = Sgd::new().learning_rate(0.05).momentum(0.8).batch_size(16).epochs(40).seed(3);
    let end = options.fit(&start, &x, &classes).unwrap();
    for (index, layer) in end.layers().iter().enumerate() {
        assert_close(layer.weights(), &torch.array::<Ix2>(&format!("end_weight_{index}")).unwrap(), 1e-10);
        assert_close(layer.bias(), &torch.array::<Ix1>(&format!("end_bias_{index}")).unwrap(), 1e-10);
    }
    assert_close(&Array1::from(end.losses().to_vec()), &torch.array("losses").unwrap(), 1e-10);
    assert_close(&end.outputs(&x).unwrap(), &torch.array("probabilities").unwrap(), 1e-10);
    assert!(accuracy(&classes, &end.predict(&x).unwrap()).unwrap() > 0.95);
    assert_eq!(end, options.fit(&start, &x, &classes).unwrap()); // same seed, same result
    assert_ne!(end.losses(), options.seed(4).fit(&start, &x, &classes).unwrap().losses());
}

/// NB-03 and NB-05: what one unit cannot do, two hidden ones can.
#[test]
fn xor_is_learnt_with_two_hidden_units() {
    let (x, xor) = (array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], array![0, 1, 1, 0]);
    let options = Sgd::new().learning_rate(0.5).momentum(0.9).epochs(500);
    let learns = |seed: u32| {
        let trained = options.fit(&Mlp::new(&[2, 2, 2]).seed(seed).build().unwrap(), &x, &xor).unwrap();
        trained.predict(&x).unwrap() == xor
    };
    assert!((0..10).filter(|&seed| learns(seed)).count() >= 5); // some starts end in a local minimum
    let single = options.fit(&Mlp::new(&[2, 2]).build().unwrap(), &x, &xor).unwrap();
    assert_ne!(single.predict(&x).unwrap(), xor);
    let values = Mlp::new(&[2, 4, 1]).output(Activation::Sigmoid).loss(Loss::MeanSquared).seed(1).build().unwrap();
    let trained = options.clone().epochs(2000).fit_values(&values, &x, &array![[0.0], [1.0], [1.0], [0.0]]).unwrap();
    assert_close(&trained.outputs(&x).unwrap().mapv(f64::round), &array![[0.0], [1.0], [1.0], [0.0]], 0.0);
}

/// NB-06, NB-08, E-83: a dense layer on a sequence is the same layer at every step, and steps do not interact.
#[test]
fn dense_acts_on_the_last_axis() {
    let torch = Reference::load("mlp", "layers").unwrap();
    let x: Array3<f64> = torch.array("x").unwrap();
    let (w, b): (Array2<f64>, Array1<f64>) = (torch.array("weight").unwrap(), torch.array("bias").unwrap());
    let y = dense(&x, &w, &b).unwrap();
    assert_close(&y, &torch.array("y").unwrap(), 1e-12);
    for step in 0..5 {
        let distributed = dense(&x.index_axis(Axis(1), step), &w, &b).unwrap();
        assert_close(&y.index_axis(Axis(1), step), &distributed, 1e-14);
    }
    let mut changed = x.clone();
    changed[[0, 3, 1]] += 1.0;
    let difference = dense(&changed, &w, &b).unwrap() - &y;
    for (step, part) in difference.axis_iter(Axis(1)).enumerate() {
        assert_eq!(part.iter().any(|&value| value != 0.0), step == 3);
    }
    // Axes in another order in memory.
    let swapped = x.view().permuted_axes([1, 0, 2]);
    assert_eq!(dense(&swapped, &w, &b).unwrap(), y.permuted_axes([1, 0, 2]));
    // One vector, and no sample at all.
    assert_eq!(dense(&x.slice(s![0, 0, ..]), &w, &b).unwrap().len(), 4);
    assert_eq!(dense(&Array3::zeros((0, 5, 3)), &w, &b).unwrap().dim(), (0, 5, 4));
    assert_eq!(flatten(&x).unwrap(), torch.array("flat").unwrap());
}

/// N-07 and N-08.
#[test]
fn parameters_are_counted_as_torch_counts() {
    let torch = Reference::load("mlp", "layers").unwrap();
    let (shapes, counts): (Array2<usize>, Array1<usize>) =
        (torch.labels("shapes").unwrap(), torch.labels("counts").unwrap());
    assert_eq!(counts.to_vec(), [1056, 65_568, 4_196_352, 20, 7850]);
    for (shape, &count) in shapes.rows().into_iter().zip(&counts) {
        assert_eq!(dense_parameters(shape[0], shape[1]), count);
    }
    let image = Array4::<f64>::zeros((1, 28, 28, 1));
    assert_eq!(dense(&image, &Array2::ones((10, 1)), &Array1::zeros(10)).unwrap().dim(), (1, 28, 28, 10));
    assert_eq!(flatten(&image).unwrap().dim(), (1, 784));
    assert_eq!(Mlp::new(&[784, 10]).build().unwrap().parameters(), 7850);
}

/// Glorot's and He's spread, within six standard errors of a variance. Planted: 3 for Glorot's 6.
#[test]
fn first_weights_have_the_spread_they_should() {
    let variance = |init: Init| {
        let network = Mlp::new(&[200, 100]).init(init).seed(3).build().unwrap();
        assert_eq!(network.layers()[0].bias(), &Array1::<f64>::zeros(100));
        network.layers()[0].weights().iter().map(|w| w * w).sum::<f64>() / 20_000.0
    };
    assert!((variance(Init::Glorot) / (2.0 / 300.0) - 1.0).abs() < 6.0 * (0.8f64 / 20_000.0).sqrt());
    assert!((variance(Init::He) / (2.0 / 200.0) - 1.0).abs() < 6.0 * (2.0f64 / 20_000.0).sqrt());
    assert_eq!(Mlp::new(&[3, 2]).seed(1).build().unwrap(), Mlp::new(&[3, 2]).seed(1).build().unwrap());
    assert_ne!(Mlp::new(&[3, 2]).seed(1).build().unwrap(), Mlp::new(&[3, 2]).seed(2).build().unwrap());
}

#[test]
fn extreme_sums_stay_finite() {
    let sums = array![[1e300, -1e300], [-800.0, 800.0], [0.0, 0.0]];
    assert_eq!(Activation::Softmax.apply(&sums), array![[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]);
    assert_eq!(Activation::Sigmoid.apply(&sums).row(0), array![1.0, 0.0]);
    let loss = Loss::CrossEntropy.value(&array![[-800.0, 800.0]], &array![[1.0, 0.0]]).unwrap();
    assert_eq!(loss, 1600.0);
    assert!(Activation::Relu.apply(&array![[f64::NAN]])[[0, 0]].is_nan());
}

#[test]
fn impossible_networks_are_refused() {
    let layer =
        |inputs: usize, units: usize, f| Dense::new(Array2::ones((units, inputs)), Array1::zeros(units), f).unwrap();
    let build = Network::from_layers;
    assert!(message(build(vec![], Loss::MeanSquared)).contains("at least one"));
    let gap = vec![layer(2, 3, Activation::Tanh), layer(4, 1, Activation::Identity)];
    assert!(message(build(gap, Loss::MeanSquared)).contains("(units, 3)"));
    let softmax = vec![layer(2, 3, Activation::Softmax)];
    assert!(message(build(softmax, Loss::MeanSquared)).contains("CrossEntropy"));
    assert!(message(build(vec![layer(2, 3, Activation::Tanh)], Loss::CrossEntropy)).contains("`Softmax`"));
    assert!(message(build(vec![layer(2, 1, Activation::Softmax)], Loss::CrossEntropy)).contains("two units"));
    assert!(message(Dense::new(array![[1.0]], array![0.0, 0.0], Activation::Tanh)).contains("(1)"));
    assert!(message(Dense::new(array![[f64::NAN]], array![0.0], Activation::Tanh)).contains("NaN"));
    assert!(message(Dense::new(Array2::zeros((0, 2)), array![], Activation::Tanh)).contains("at least one row"));
    for widths in [&[][..], &[3], &[3, 0], &[0, 3], &[usize::MAX, 2], &[1 << 40, 1 << 40]] {
        message(Mlp::new(widths).build());
    }
}

#[test]
fn impossible_data_are_refused() {
    let network = Mlp::new(&[2, 3, 2]).build().unwrap();
    let (x, y) = (array![[0.0, 1.0], [1.0, 0.0]], array![0, 1]);
    let new = Sgd::new;
    assert!(message(new().fit(&network, &Array2::zeros((0, 2)), &array![])).contains("at least one row"));
    assert!(message(new().fit(&network, &array![[1.0], [2.0]], &y)).contains("(samples, 2)"));
    assert!(message(new().fit(&network, &x, &array![0])).contains("2 along"));
    assert!(message(new().fit(&network, &x, &array![1, 1])).contains("one class only"));
    assert!(message(new().fit(&network, &x, &array![0, 2])).contains("below 2"));
    assert!(message(new().fit(&network, &array![[0.0, f64::NAN], [1.0, 0.0]], &y)).contains("[0, 1]"));
    assert!(message(new().epochs(0).fit(&network, &x, &y)).contains("`epochs` is 0"));
    assert!(message(new().batch_size(0).fit(&network, &x, &y)).contains("`batch_size` is 0"));
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(message(new().learning_rate(rate).fit(&network, &x, &y)).contains("above 0"));
    }
    for momentum in [-0.1, 1.0, f64::NAN] {
        assert!(message(new().momentum(momentum).fit(&network, &x, &y)).contains("below 1"));
    }
    assert!(new().batch_size(1000).fit(&network, &x, &y).is_ok()); // larger than the data: all of them
    assert!(message(new().fit_values(&network, &x, &array![[0.5, 0.6], [1.0, 0.0]])).contains("distribution"));
    assert!(message(new().fit_values(&network, &x, &array![[1.0], [1.0]])).contains("[2, 2], as the outputs"));

    let values = Mlp::new(&[2, 1]).output(Activation::Identity).loss(Loss::MeanSquared).build().unwrap();
    assert!(message(new().fit(&values, &x, &y)).contains("fit_values"));
    assert!(message(values.predict(&x)).contains("`outputs`"));
    let diverging =
        new().learning_rate(1e10).epochs(200).fit_values(&values, &(x.clone() * 1e3), &array![[1.0], [2.0]]);
    assert!(message(diverging).contains("smaller"));
    assert!(message(values.forward(&array![[1.0]])).contains("(samples, 2)"));
    assert!(message(values.backward(&x, &array![[f64::NAN], [0.0]])).contains("NaN"));

    let (w, b) = (array![[1.0, 2.0]], array![0.0]);
    assert!(message(dense(&array![[1.0]], &w, &b)).contains("(…, 2)"));
    assert!(message(dense(&ndarray::arr0(1.0), &w, &b)).contains("(…, 2)"));
    assert!(message(dense(&array![1.0, f64::NAN], &w, &b)).contains("NaN"));
    assert!(message(dense(&array![1.0, 1.0], &w, &array![0.0, 0.0])).contains("(1)"));
    assert!(message(dense_backward(&x, &w, &array![[1.0]])).contains("(2, 1)"));
    assert!(message(flatten(&ndarray::arr0(1.0))).contains("at least one axis"));
    let mut network = network;
    assert!(message(sgd_step(&mut network, &[], &mut Vec::new(), 0.1, 0.0)).contains("one gradient per layer"));
    assert!(message(Activation::Tanh.backward(&x, &array![[1.0]])).contains("as the activations"));
    assert!(message(Loss::MeanSquared.value(&x, &array![[1.0]])).contains("as the outputs"));
}

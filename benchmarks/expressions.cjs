// What an independent expression classifier says about the faces of a sheet. See face_checks.py.
//
// node benchmarks/expressions.cjs SHEET_DIR OUT.json
const fs = require("fs");
const path = require("path");
const { createRequire } = require("module");

const load = createRequire(path.join(process.cwd(), "package.json")); // packages of the folder it is run in
const tf = load("@tensorflow/tfjs");
const wasm = load("@tensorflow/tfjs-backend-wasm");
const { PNG } = load("pngjs");
const home = path.dirname(load.resolve("@vladmandic/face-api/package.json"));
const faceapi = load("@vladmandic/face-api/dist/face-api.node-wasm.js");

async function main(folder, target) {
  wasm.setWasmPaths(path.dirname(load.resolve("@tensorflow/tfjs-backend-wasm/package.json")) + "/dist/");
  await tf.setBackend("wasm");
  await tf.ready();
  for (const net of ["ssdMobilenetv1", "faceLandmark68Net", "faceExpressionNet"]) {
    await faceapi.nets[net].loadFromDisk(path.join(home, "model"));
  }
  const options = new faceapi.SsdMobilenetv1Options({ minConfidence: 0.2 });
  const rows = JSON.parse(fs.readFileSync(path.join(folder, "sheet.json")));
  const out = [];
  for (const row of rows.filter((r) => r.sheet === "emotions")) {
    const png = PNG.sync.read(fs.readFileSync(path.join(folder, row.file)));
    const picture = tf.tidy(() => tf.tensor3d(new Int32Array(png.data), [png.height, png.width, 4], "int32")
      .slice([0, 0, 0], [-1, -1, 3]));
    const face = await faceapi.detectSingleFace(picture, options).withFaceLandmarks().withFaceExpressions();
    tf.dispose(picture);
    const sorted = face ? face.expressions.asSortedArray() : [];
    out.push({ ...row, told: sorted.slice(0, 2).map((e) => [e.expression, Math.round(e.probability * 100) / 100]) });
  }
  fs.writeFileSync(target, JSON.stringify(out, null, 1) + "\n");
}

main(process.argv[2], process.argv[3]);

/** Points by WebGL2: one vertex a point, uploaded once; a frame sets four numbers and draws. */
import type { Points } from "./points";
import { type Renderer, SELECTED_GROWTH, UNSELECTED_ALPHA } from "./renderer";
import type { Camera } from "./view";

// The middle comes in two parts: taken off one after the other, float32 stays exact far in.
const VERTEX = `#version 300 es
in vec2 position;
in vec4 color;
in float flag;
uniform vec2 middle;
uniform vec2 middle_rest;
uniform vec2 scale;
uniform float size;
uniform float unselected;
uniform float drawn_flag;
out vec4 shade;
void main() {
  gl_Position = vec4(((position - middle) - middle_rest) * scale, 0.0, 1.0);
  gl_PointSize = size;
  // The selected ones are drawn last and by themselves.
  if (flag != drawn_flag) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
  shade = vec4(color.rgb, 1.0) * color.a * (flag == 1.0 ? 1.0 : unselected);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in vec4 shade;
uniform float size;
out vec4 pixel;
void main() {
  if (size < 2.5) { pixel = shade; return; }
  float away = length(gl_PointCoord - 0.5) * size;
  float cover = clamp(size * 0.5 - away + 0.5, 0.0, 1.0);
  if (cover <= 0.0) discard;
  // A darker rim tells large points apart that lie on each other.
  float rim = size > 6.5 ? clamp(away - size * 0.5 + 2.0, 0.0, 1.0) : 0.0;
  pixel = vec4(shade.rgb * (1.0 - 0.35 * rim), shade.a) * cover;
}`;

/** Two moving frames in a row may be this far apart before fewer points are drawn. */
const TARGET_MS = 60;

export class WebglRenderer implements Renderer {
  readonly target = TARGET_MS;
  readonly isImmediate = false;
  private readonly program: WebGLProgram;
  private readonly buffers = new Map<string, WebGLBuffer>();
  private selected = 0;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly gl: WebGL2RenderingContext,
  ) {
    this.program = buildProgram(gl);
    gl.useProgram(this.program);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.clearColor(0, 0, 0, 0);
  }

  resize(width: number, height: number, ratio: number): void {
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.gl.viewport(0, 0, this.canvas.width, this.canvas.height);
  }

  setPoints(points: Points): void {
    const { gl } = this;
    this.upload("position", points.positions, 2, gl.FLOAT, false);
    this.setStyle(points);
  }

  setStyle(points: Points): void {
    const { gl } = this;
    this.upload("color", points.colors, 4, gl.UNSIGNED_BYTE, true);
    this.upload("flag", points.flags, 1, gl.UNSIGNED_BYTE, false);
    this.selected = points.selected.length;
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.takeBuffer("selected"));
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, points.selected, gl.STATIC_DRAW);
  }

  draw(camera: Camera, radius: number, count: number): void {
    const { gl } = this;
    gl.clear(gl.COLOR_BUFFER_BIT);
    const ratio = this.canvas.width / camera.width;
    const x = Math.fround(camera.x);
    const y = Math.fround(camera.y);
    gl.uniform2f(this.place("middle"), x, y);
    gl.uniform2f(this.place("middle_rest"), camera.x - x, camera.y - y);
    gl.uniform2f(
      this.place("scale"),
      (2 * camera.scale) / camera.width,
      (2 * camera.scale) / camera.height,
    );
    gl.uniform1f(this.place("unselected"), this.selected ? UNSELECTED_ALPHA : 1);
    gl.uniform1f(this.place("size"), 2 * radius * ratio);
    gl.uniform1f(this.place("drawn_flag"), 0);
    gl.drawArrays(gl.POINTS, 0, count);
    if (!this.selected) return;
    gl.uniform1f(this.place("size"), 2 * radius * ratio * SELECTED_GROWTH);
    gl.uniform1f(this.place("drawn_flag"), 1);
    gl.drawElements(gl.POINTS, this.selected, gl.UNSIGNED_INT, 0);
  }

  /** Gives the graphics memory back at once: a browser holds few contexts. */
  destroy(): void {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  private place(name: string): WebGLUniformLocation | null {
    return this.gl.getUniformLocation(this.program, name);
  }

  private takeBuffer(name: string): WebGLBuffer {
    const buffer = this.buffers.get(name) ?? this.gl.createBuffer();
    this.buffers.set(name, buffer);
    return buffer;
  }

  private upload(
    name: string,
    data: Float32Array | Uint8Array,
    size: number,
    type: number,
    normalized: boolean,
  ): void {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.takeBuffer(name));
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
    const location = gl.getAttribLocation(this.program, name);
    gl.enableVertexAttribArray(location);
    gl.vertexAttribPointer(location, size, type, normalized, 0, 0);
  }
}

function buildProgram(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(type);
    if (!shader) continue;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  // A context that is lost meanwhile links nothing, which is no fault of the shaders.
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`the map's shaders do not link: ${gl.getProgramInfoLog(program) ?? ""}`);
  }
  return program;
}

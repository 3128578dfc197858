/** The layers of the map: chooses what draws the points, and goes over to the canvas where it must. */
import { DrawBudget } from "./budget";
import { CanvasRenderer } from "./canvas";
import type { Points } from "./points";
import type { Renderer } from "./renderer";
import { type Camera, pointRadius } from "./view";
import { WebglRenderer } from "./webgl";

/** After so many milliseconds without a movement all points are drawn. */
const REST_MS = 140;
const MOST_RATIO = 2;

const NO_WEBGL = "no WebGL2 here";
const NO_GRAPHICS = "no graphics processor here";
const LOST = "the graphics context was lost";

type Choice = "auto" | "webgl2" | "canvas";

export class Stage {
  readonly element = document.createElement("div");
  /** Hears what a person must know of how the points are drawn; "" for nothing. */
  onNotice: (text: string) => void = () => undefined;
  private canvas: HTMLCanvasElement;
  private renderer: Renderer;
  private budget = new DrawBudget(0, 1);
  private points: Points | null = null;
  private reason = "";
  private frame = 0;
  private rest = 0;
  private probe = 0;
  private lastMove = -Infinity;
  private framesSince = Infinity;
  private ratio = 1;

  /**
   * @param camera where to look; `move` is called after it changed
   */
  constructor(
    private readonly camera: Camera,
    choice: Choice,
    private readonly signal: AbortSignal,
  ) {
    this.element.className = "map-stage";
    this.canvas = this.addCanvas();
    this.renderer = this.choose(choice);
  }

  /** What draws: "webgl2" or "canvas". */
  get kind(): string {
    return this.renderer instanceof WebglRenderer ? "webgl2" : "canvas";
  }

  setPoints(points: Points): void {
    this.points = points;
    this.renderer.setPoints(points);
    this.budget = new DrawBudget(points.order.length, this.renderer.target);
    this.redraw();
  }

  setStyle(points: Points): void {
    this.points = points;
    this.renderer.setStyle(points);
    this.redraw();
  }

  resize(): void {
    this.ratio = Math.min(MOST_RATIO, window.devicePixelRatio || 1);
    this.renderer.resize(this.camera.width, this.camera.height, this.ratio);
    // An emptied canvas must not be seen.
    this.draw(this.isMoving);
  }

  /** Draws soon; fewer points while the map moves, if all take too long. */
  move(): void {
    this.lastMove = performance.now();
    this.framesSince = 0;
    this.redraw();
  }

  redraw(): void {
    if (!this.frame) this.frame = requestAnimationFrame((now) => this.drawFrame(now));
  }

  destroy(): void {
    cancelAnimationFrame(this.frame);
    cancelAnimationFrame(this.probe);
    window.clearTimeout(this.rest);
    this.renderer.destroy();
  }

  /** Where frames are slow the time alone says nothing: a frame without a move must lie between. */
  private get isMoving(): boolean {
    return this.framesSince < 2 || performance.now() - this.lastMove < REST_MS;
  }

  private drawFrame(now: number): void {
    this.frame = 0;
    this.framesSince++;
    const { isMoving } = this;
    const began = performance.now();
    this.draw(isMoving);
    if (!isMoving) return;
    window.clearTimeout(this.rest);
    this.rest = window.setTimeout(() => this.redraw(), REST_MS);
    if (this.renderer.isImmediate) this.budget.report(performance.now() - began);
    else this.probeFrame(now);
  }

  /** What the graphics processor still has to do holds the next frame up. */
  private probeFrame(drawn: number): void {
    cancelAnimationFrame(this.probe);
    this.probe = requestAnimationFrame((now) => this.budget.report(now - drawn));
  }

  private draw(isMoving: boolean): void {
    const total = this.points?.order.length ?? 0;
    const count = isMoving ? Math.min(total, this.budget.count) : total;
    const { width, height, zoom } = this.camera;
    this.renderer.draw(this.camera, pointRadius(total, width * height, zoom), count);
    this.element.dataset["drawn"] = String(count);
    this.tell(total);
  }

  private tell(total: number): void {
    const fewer = this.budget.count < total;
    const shown = `${this.budget.count.toLocaleString("en")} of ${total.toLocaleString("en")}`;
    const moving = fewer ? `${shown} points shown while moving` : "";
    const drawn = this.reason ? `${this.reason}: drawn on a canvas` : "";
    this.onNotice([drawn, moving].filter(Boolean).join(", "));
  }

  private addCanvas(): HTMLCanvasElement {
    const canvas = document.createElement("canvas");
    canvas.className = "map-canvas";
    // The points are described by the map's own label.
    canvas.setAttribute("aria-hidden", "true");
    this.element.replaceChildren(canvas);
    return canvas;
  }

  private choose(choice: Choice): Renderer {
    if (choice === "canvas") return this.fallBack("");
    const options: WebGLContextAttributes = { antialias: false, alpha: true, premultipliedAlpha: true };
    const gl = this.canvas.getContext("webgl2", options);
    if (!gl) return this.fallBack(NO_WEBGL);
    if (choice === "auto" && isSoftware(gl)) {
      gl.getExtension("WEBGL_lose_context")?.loseContext();
      return this.fallBack(NO_GRAPHICS);
    }
    const canvas = this.canvas;
    const { signal } = this;
    canvas.addEventListener("webglcontextlost", (event) => this.lose(event), { signal });
    canvas.addEventListener("webglcontextrestored", () => this.restore(canvas, gl), { signal });
    return new WebglRenderer(canvas, gl);
  }

  private fallBack(reason: string): Renderer {
    this.reason = reason;
    // A canvas that was asked for one kind of context gives no other.
    this.canvas = this.addCanvas();
    return new CanvasRenderer(this.canvas);
  }

  private lose(event: Event): void {
    event.preventDefault(); // else it is never restored
    this.take(this.fallBack(LOST));
  }

  private restore(canvas: HTMLCanvasElement, gl: WebGL2RenderingContext): void {
    this.reason = "";
    this.canvas = canvas;
    this.element.replaceChildren(canvas);
    this.take(new WebglRenderer(canvas, gl));
  }

  private take(renderer: Renderer): void {
    this.renderer = renderer;
    renderer.resize(this.camera.width, this.camera.height, this.ratio);
    if (this.points) this.setPoints(this.points);
  }
}

/** WebGL2 in software is slower than the canvas, and takes the processor from everything else. */
function isSoftware(gl: WebGL2RenderingContext): boolean {
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const name: unknown = gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(String(name));
}

from ask import until

def fill(at, env):
    until("the application answers", lambda: at().get("/").text)
    until("Flower sees both workers", lambda: at("flower").get("/workers?refresh=1").text.count("celery@") >= 2)
    task = at().post("/add/20/22", {}, status=202).json()["task"]
    until("a worker has done it", lambda: at().get(f"/result/{task}").json()["result"] == 42)
    with open(env["SCRATCH"] + "/task", "w") as file:
        file.write(task)


def kept(at, env):
    until("the application answers", lambda: at().get("/").text == env["GREETING"])
    with open(env["SCRATCH"] + "/task") as file:
        task = file.read()
    assert at().get(f"/result/{task}").json()["result"] == 42
    task = at().post("/add/1/2", {}, status=202).json()["task"]
    until("a worker does the next", lambda: at().get(f"/result/{task}").json()["result"] == 3)

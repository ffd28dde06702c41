import com.github.sbt.junit.jupiter.sbt.JupiterPlugin
import sbt.Keys._
import sbt._

/** What a pom can't say to sbt: the Scala version that names the coordinates, and how JUnit 5 tests are run. */
object QLoraSettings extends AutoPlugin {
  override def requires: Plugins = plugins.JvmPlugin && JupiterPlugin
  override def trigger: PluginTrigger = allRequirements

  override def buildSettings: Seq[Setting[_]] = Seq(
    scalaVersion := "2.13.16", // Spark's; no Scala is compiled
    autoScalaLibrary := false
  )

  override def projectSettings: Seq[Setting[_]] = Seq(
    javacOptions ++= Seq("--add-modules=jdk.incubator.vector"),
    libraryDependencies += "com.github.sbt.junit" % "jupiter-interface" % "0.13.3" % Test,
    // a JVM of their own, with the flags that stand in the parent pom
    Test / fork := true,
    Test / javaOptions ++= jvmFlags((LocalRootProject / baseDirectory).value) :+ "-Xmx3g"
  )

  // one module's tests at a time: they share two cores
  override def globalSettings: Seq[Setting[_]] = Seq(concurrentRestrictions += Tags.limit(Tags.ForkedTestGroup, 1))

  private def jvmFlags(root: File): Seq[String] =
    (scala.xml.XML.loadFile(root / "pom.xml") \ "properties" \ "jvm.flags").text.trim.split("\\s+").toSeq
}
